import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { sameBytes } from "../commit/commit-hash.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { captureDdl } from "../sql/capture-ddl.ts";
import { defaultCommitLimits } from "../sql/record-change-ddl.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { captureHash } from "./capture-hash.ts";
import { ensurePartitions } from "./ensure-partitions.ts";
import type { MigrateOptions } from "./migrate-options.ts";
import type { Migration } from "./migration.ts";
import { checkMigrationNames } from "./pending-migrations.ts";
import { type AppliedMigration, isUpToDate, partitionSpan, pendingOf } from "./up-to-date.ts";
import { upgradeReplica } from "./upgrade-replica.ts";

export type { MigrateOptions } from "./migrate-options.ts";

/** The node of a database that is prepared for whichever node takes it over: an image, a template. */
export const unownedNode = "00000000-0000-0000-0000-000000000000";

export interface MigrateResult {
  /** Names of the migrations that were applied now, the engine's first. */
  readonly applied: readonly string[];
}

/** Serves as the advisory lock of all migrations: the letters `hayloft`. */
const LOCK = 0x6861796c6f6674n;

/**
 * Brings a database to the catalog: the engine's own migrations, the application's, and the generated triggers that
 * capture and guard writes. What the engine keeps of the rows follows the catalog's history. All of it is one transaction under a lock, so that a failure leaves everything as it was and
 * several processes may start at once. Running it again changes nothing, and is three statements that only read. Rows that a migration writes are not captured,
 * because every replica runs the same migrations.
 *
 * Throws `migration-invalid` (an applied migration was altered, removed or put before others, or the history does not reach
 * the database's version), `database-newer` (the database has migrations or a catalog that come after ours), `migration-failed`, and `identity-invalid` (the database belongs to
 * another node or tier).
 */
export async function migrate(database: Database, options: MigrateOptions): Promise<MigrateResult> {
  checkMigrationNames(options.migrations);
  if (await isUpToDate(database, options)) return { applied: [] };
  return await database.transaction(async (tx) => {
    // Another migration may take long, and is worth waiting for.
    await tx.script("set local lock_timeout = 0");
    await tx.query("select pg_advisory_xact_lock($1)", [LOCK]);
    if (!(await isBootstrapped(tx))) await tx.script(bootstrap);
    const done = await appliedMigrations(tx);
    const pending = pendingOf(done, options.migrations);
    await checkOwner(tx, options, done.length > 0);
    if (done.length > 0) await takePossession(tx, options.nodeId);
    for (const migration of pending) await apply(tx, migration);
    await upgradeReplica(tx, options.catalog, options.tier);
    await describeReplica(tx, options);
    await makePartitions(tx, options.catalog);
    return { applied: pending.map((migration) => migration.name) };
  });
}

/** Applies migrations to an empty database, in one transaction; rows and triggers come from elsewhere. */
export async function applyMigrations(database: Database, migrations: readonly Migration[]): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.script(bootstrap);
    for (const migration of migrations) await apply(tx, migration);
  });
}

const bootstrap = `CREATE SCHEMA IF NOT EXISTS hayloft;
CREATE TABLE IF NOT EXISTS hayloft.migration (
  name text COLLATE "C" PRIMARY KEY, hash bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
);`;

/** Looked up first, so that a role without the right to create can start on a database that is up to date. */
async function isBootstrapped(tx: SqlSession): Promise<boolean> {
  const { rows } = await tx.query<{ present: boolean }>("select to_regclass('hayloft.migration') is not null as present");
  return rows[0]?.present === true;
}

async function appliedMigrations(tx: SqlSession): Promise<readonly AppliedMigration[]> {
  return (await tx.query<AppliedMigration>("select name, hash from hayloft.migration order by name")).rows;
}

async function apply(tx: SqlSession, migration: Migration): Promise<void> {
  try {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.script(migration.sql);
    // Deferred checks run now, so that they name this migration and the next one may alter the same tables.
    await tx.script("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SET LOCAL hayloft.applying = 'off'");
    await tx.query("insert into hayloft.migration (name, hash) values ($1, $2)", [migration.name, sha256(migration.sql)]);
  } catch (error) {
    // The database wrapper retries these itself.
    if (sqlstateOf(error)?.startsWith("40") === true) throw error;
    throw new HayloftError("migration-failed", { migration: migration.name, ...causeDetails(error) }, error);
  }
}

/** The database's own words, when they are safe to show. */
function causeDetails(error: unknown): Record<string, string | number | boolean | null> {
  return error instanceof HayloftError ? { ...error.details } : {};
}

async function checkOwner(tx: SqlSession, options: MigrateOptions, migrated: boolean): Promise<void> {
  if (!migrated) return;
  const found = await tx.query<{ node_id: string; tier: string; catalog_name: string }>(
    "select node_id::text, tier, catalog_name from hayloft.replica",
  );
  for (const row of found.rows) {
    const foreign = row.node_id !== options.nodeId.toLowerCase() && row.node_id !== unownedNode;
    if (foreign || row.tier !== options.tier || row.catalog_name !== options.catalog.name) {
      throw new HayloftError("identity-invalid", {
        reason: "The database belongs to another node, tier or application.",
        databaseNode: row.node_id,
        databaseTier: row.tier,
        databaseApplication: row.catalog_name,
        node: options.nodeId,
        tier: options.tier,
        application: options.catalog.name,
      });
    }
  }
}

/**
 * A database that belonged to nobody may be one of several that were copied from the same. Its logs, in which nothing is yet, get names of
 * their own, or two nodes would write under one.
 */
async function takePossession(tx: SqlSession, nodeId: string): Promise<void> {
  if (nodeId === unownedNode || !(await isUnowned(tx))) return;
  await tx.query("update hayloft.head set incarnation = hayloft.uuid_v7() where seq = 0");
}

async function isUnowned(tx: SqlSession): Promise<boolean> {
  return (await tx.query("select from hayloft.replica where node_id = $1::uuid", [unownedNode])).rows.length > 0;
}

/** Stores who this replica is, and makes the triggers again when what they are made from has changed. */
async function describeReplica(tx: SqlSession, options: MigrateOptions): Promise<void> {
  const { catalog } = options;
  await tx.query(
    `insert into hayloft.replica (node_id, tier, catalog_name, catalog_version, catalog_hash) values ($1::uuid, $2, $3, $4, $5)
     on conflict (only_row) do update
       set node_id = excluded.node_id, catalog_version = excluded.catalog_version, catalog_hash = excluded.catalog_hash
       where (replica.node_id, replica.catalog_version, replica.catalog_hash)
         is distinct from (excluded.node_id, excluded.catalog_version, excluded.catalog_hash)`,
    [options.nodeId, options.tier, catalog.name, catalog.version, catalogHash(catalog)],
  );
  const hash = captureHash(options);
  const [replica] = (await tx.query<{ capture_hash: Uint8Array | null }>("select capture_hash from hayloft.replica")).rows;
  const before = replica?.capture_hash ?? null;
  if (before !== null && sameBytes(before, hash)) return;
  try {
    await tx.script(captureDdl(catalog, options.tier, options.limits ?? defaultCommitLimits));
  } catch (error) {
    throw new HayloftError("migration-failed", { migration: "capture", ...causeDetails(error) }, error);
  }
  await tx.query("update hayloft.replica set capture_hash = $1", [hash]);
}

async function makePartitions(tx: SqlSession, catalog: Catalog): Promise<void> {
  const [clock] = (await tx.query<{ now: Date }>("select now() as now")).rows;
  if (clock !== undefined) await ensurePartitions(tx, catalog, ...partitionSpan(clock.now));
}
