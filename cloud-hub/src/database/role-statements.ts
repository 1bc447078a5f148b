import { REPORT_TABLE, type Table } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";

const ROLES = {
  /** The hub process and the command line: rows, but not the schema. */
  run: "hayloft_run",
  /** People and tools that edit master data by SQL. */
  admin: "hayloft_admin",
  /** Dashboards. */
  reader: "hayloft_reader",
  /** Consumers of the data, with their own positions. */
  exporter: "hayloft_exporter",
} as const;

const ADMIN_GROUPS: ReadonlySet<string> = new Set(["registry", "config", "standards", "identity", "sync", "feed"]);
/** Tables that hold a secret or confidential data of people. */
const CONFIDENTIAL: ReadonlySet<string> = new Set(["users", "user_attributes", "enrolment_tokens"]);
/** The engine's tables that say how replication stands. */
const STATE_TABLES = ["head", "origin", "peer", "outcome", "replica", "migration"];

/**
 * What of held commits readers and exporters see: that they are held, where and why. Not what they would write, which was refused, and
 * may be of a tenant, a tier or a column that its reader has no business with.
 */
const HELD_COLUMNS =
  "tenant_id, origin, seq, code, retryable, held_at, peer, state, node_id, cause_origin, cause_seq, tables, row_count, byte_count, closed_at";
const REPORTED_COLUMNS =
  "tenant_id, node_id, origin, seq, state, code, retryable, cause_origin, cause_seq, author_node, author_tier, tables, row_count, byte_count, held_at, changed_at";

/**
 * The SQL that makes the hub's database roles and their grants, run by the owner of the schema after `migrate`. Repeatable.
 * The roles cannot log in: grant them to your users. None may write the engine's tables but the hub itself, none may write a
 * partition past its table, none is a superuser.
 */
export function roleStatements(): string {
  const parts = [
    "-- Roles of a Hayloft hub. Run as the owner of its schema, with the right to create roles, after hayloft-hub migrate.",
    ...Object.values(ROLES).map(createRole),
    schemaGrants(),
    ...farmCatalog.tables.map(tableGrants),
    engineGrants(),
  ];
  return `${parts.join("\n")}\n`;
}

function createRole(role: string): string {
  return `do $$ begin
  if not exists (select from pg_roles where rolname = '${role}') then
    create role ${role} nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
end $$;`;
}

function schemaGrants(): string {
  const all = Object.values(ROLES).join(", ");
  return [`grant usage on schema public, hayloft to ${all};`, `grant usage on schema hayloft_hub to ${ROLES.run};`].join("\n");
}

/** Named tables only: a grant on all tables of the schema would include the partitions. */
function tableGrants(table: Table): string {
  const grants = [`grant select, insert, update, delete on public.${table.name} to ${ROLES.run};`];
  if (ADMIN_GROUPS.has(table.group))
    grants.push(`grant select, insert, update, delete on public.${table.name} to ${ROLES.admin};`);
  else grants.push(`grant select on public.${table.name} to ${ROLES.admin};`);
  if (table.name === REPORT_TABLE) grants.push(...heldGrants(`public.${table.name}`, REPORTED_COLUMNS));
  else if (!CONFIDENTIAL.has(table.name))
    grants.push(`grant select on public.${table.name} to ${ROLES.reader}, ${ROLES.exporter};`);
  if (table.name === "consumer_positions") grants.push(`grant insert, update on public.${table.name} to ${ROLES.exporter};`);
  return grants.join("\n");
}

/** Also takes away what an earlier release granted. */
const heldGrants = (table: string, columns: string): readonly string[] => [
  `revoke select on ${table} from ${ROLES.reader}, ${ROLES.exporter};`,
  `grant select (${columns}) on ${table} to ${ROLES.reader}, ${ROLES.exporter};`,
];

function engineGrants(): string {
  const states = STATE_TABLES.map((name) => `hayloft.${name}`).join(", ");
  return [
    `grant select, insert, update, delete on all tables in schema hayloft to ${ROLES.run};`,
    `grant usage, select on all sequences in schema hayloft to ${ROLES.run};`,
    `grant select, insert on hayloft_hub.identity to ${ROLES.run};`,
    `grant select on hayloft.quarantined to ${ROLES.run}, ${ROLES.admin};`,
    `grant select on hayloft.quarantine to ${ROLES.admin};`,
    ...heldGrants("hayloft.quarantine", HELD_COLUMNS),
    `grant select on ${states} to ${ROLES.admin}, ${ROLES.reader}, ${ROLES.exporter};`,
  ].join("\n");
}
