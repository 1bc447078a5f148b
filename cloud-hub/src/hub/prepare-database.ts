import type { Database, KeyIdentity } from "@hayloft/engine";
import { HayloftError, migrate, sqlstateOf } from "@hayloft/engine";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { ensureHubTables, ensureUserProjection } from "../database/hub-schema.ts";
import { ensureHubIdentity } from "../identity/hub-identity.ts";

export interface PreparedDatabase {
  readonly identity: KeyIdentity;
  /** Migrations that were applied now. */
  readonly applied: readonly string[];
}

/** Brings a database to the state the hub needs: its own tables and key, the engine's and the farm's migrations. Repeatable. */
export async function prepareDatabase(database: Database, identityFile: string | null): Promise<PreparedDatabase> {
  try {
    await ensureHubTables(database);
    const identity = await ensureHubIdentity(database, identityFile);
    const { applied } = await migrate(database, {
      catalog: farmCatalog,
      migrations: farmMigrations,
      nodeId: identity.nodeId,
      tier: identity.tier,
    });
    await ensureUserProjection(database);
    return { identity, applied };
  } catch (error) {
    // A run-time role without the right to create: the schema is brought up with the owner's role.
    if (sqlstateOf(error) !== "42501") throw error;
    throw new HayloftError(
      "migration-failed",
      { reason: "this role may not change the schema; run hayloft-hub migrate with the owner's role" },
      error,
    );
  }
}

/** True when the hub's schema is there, of whatever version. */
export async function isPrepared(database: Database): Promise<boolean> {
  const { rows } = await database.query<{ present: boolean }>(
    "select to_regclass('hayloft.migration') is not null and to_regclass('public.enrolment_tokens') is not null as present",
  );
  return rows[0]?.present === true;
}

/** Warns of a role that may do more than the hub needs. */
export async function isSuperuser(database: Database): Promise<boolean> {
  const { rows } = await database.query<{ super: boolean }>(
    "select rolsuper as super from pg_roles where rolname = current_user",
  );
  return rows[0]?.super === true;
}
