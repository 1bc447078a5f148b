import type { Database } from "@hayloft/engine";

/** Locked while the hub's own objects are made, so that two processes can start at once. */
const SCHEMA_LOCK = 7_214_503_119;

/**
 * What only this hub has: its key. Not part of the farm's catalog, because it never leaves the hub. Statements are repeatable;
 * a later version adds its own `if not exists`.
 */
const HUB_TABLES = `
create schema if not exists hayloft_hub;
create table if not exists hayloft_hub.identity (
  one boolean primary key default true check (one),
  node_id uuid not null,
  private_key text,
  created_at timestamptz not null default now()
);
`;

/**
 * Keeps `farm_users` (what the barns know of a person: no email, no password) in step with `users`, whoever writes it.
 * A deleted account stays as a disabled person, because records carry its id.
 */
const USER_PROJECTION = `
create or replace function hayloft_hub.project_user() returns trigger language plpgsql as $function$
begin
  if tg_op = 'DELETE' then
    update farm_users set status = 'disabled', updated_at = now() where tenant_id = old.tenant_id and id = old.id;
  else
    insert into farm_users (tenant_id, id, display_name, status)
      values (new.tenant_id, new.id, new.display_name, case new.status when 'active' then 'active' else 'disabled' end)
      on conflict (tenant_id, id) do update
        set display_name = excluded.display_name, status = excluded.status, updated_at = now()
        where (farm_users.display_name, farm_users.status) is distinct from (excluded.display_name, excluded.status);
  end if;
  return null;
end
$function$;
create or replace trigger hayloft_hub_project_user after insert or update or delete on users
  for each row execute function hayloft_hub.project_user();
`;

/** After it resolves the hub's own tables exist; safe at every start and from several processes at once. */
export async function ensureHubTables(database: Database): Promise<void> {
  await ensure(database, "select to_regclass('hayloft_hub.identity') is not null as present", HUB_TABLES);
}

/** After it resolves every change of `users` reaches `farm_users`. The farm's tables must exist. */
export async function ensureUserProjection(database: Database): Promise<void> {
  const present = "select exists (select from pg_trigger where tgname = 'hayloft_hub_project_user') as present";
  await ensure(database, present, USER_PROJECTION);
}

async function ensure(database: Database, check: string, ddl: string): Promise<void> {
  const isPresent = async (session: Pick<Database, "query">): Promise<boolean> =>
    (await session.query<{ present: boolean }>(check)).rows[0]?.present === true;
  if (await isPresent(database)) return;
  await database.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
    if (!(await isPresent(tx))) await tx.script(ddl);
  });
}
