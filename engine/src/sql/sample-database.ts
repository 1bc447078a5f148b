import type { Commit } from "../commit/commit.ts";
import { migrate } from "../migrate/migrate.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { OpenDatabase } from "../testing/preparation.ts";
import { preparedCatalog } from "../testing/prepared-catalog.ts";
import { catalogDdl } from "./catalog-ddl.ts";
import type { CommitLimits } from "./record-change-ddl.ts";
import { sampleCatalog } from "./sample-catalog.ts";

export const NODE_ID = "019abc00-0000-7000-8000-000000000001";

/** Migrates an empty database to the sample catalog, with two farms for each of the tenants t0, t1, t2 and shared. */
export async function migrated(database: Database, tier: string, limits?: CommitLimits): Promise<void> {
  const migrations = [{ name: "0001_initial", sql: catalogDdl(sampleCatalog) }];
  await migrate(database, {
    catalog: sampleCatalog,
    migrations,
    nodeId: NODE_ID,
    tier,
    ...(limits === undefined ? {} : { limits }),
  });
  await applying(
    database,
    "insert into farm (tenant_id, id, name) select t, f, f from unnest(array['t0', 't1', 't2', 'shared']) t, unnest(array['f1', 'f2']) f",
  );
}

/** A database as `migrated` makes it, from those that earlier tests used. */
export async function sampleDatabase(open: OpenDatabase, tier: string, limits?: CommitLimits): Promise<Database> {
  const { key } = preparedCatalog(sampleCatalog, tier, { nodeId: NODE_ID, ...(limits && { limits }) });
  return await open({ key: `${key} farms`, prepare: async (database) => await migrated(database, tier, limits) });
}

/** Runs a script as the engine applies: without capture and guards. */
export async function applying(database: Database, sql: string): Promise<void> {
  await database.transaction(async (tx) => await tx.script(`set local hayloft.applying = 'on'; ${sql}`));
}

export interface LoggedCommit extends Commit {
  readonly position: number;
}

interface CommitRow {
  readonly position: number;
  readonly txn: number;
  readonly origin: string;
  readonly seq: number;
  readonly stamp: string;
  readonly node_id: string;
  readonly tier: string;
  readonly author: string | null;
  readonly catalog_version: number;
  readonly previous_hash: Uint8Array;
  readonly hash: Uint8Array;
}

interface ChangeRow {
  readonly txn: number;
  readonly table_name: string;
  readonly op: "insert" | "update" | "delete" | "evict";
  readonly columns: string;
  readonly row_count: number;
  readonly body: string;
}

/** A tenant's whole log, in order of positions. */
export async function logOf(session: SqlSession, tenant: string): Promise<readonly LoggedCommit[]> {
  const commits = await session.query<CommitRow>(
    `select position, txn, origin::text, seq, stamp::text, node_id::text, tier, author, catalog_version, previous_hash, hash
     from hayloft.commit where tenant_id = $1 order by position`,
    [tenant],
  );
  const changes = await session.query<ChangeRow>(
    "select txn, table_name, op, columns, row_count, body from hayloft.change where tenant_id = $1 order by txn, ordinal",
    [tenant],
  );
  return commits.rows.map((row) => ({
    tenant,
    position: row.position,
    origin: row.origin,
    seq: row.seq,
    stamp: BigInt(row.stamp),
    node: row.node_id,
    tier: row.tier,
    author: row.author,
    catalogVersion: row.catalog_version,
    previousHash: row.previous_hash,
    hash: row.hash,
    changes: changes.rows
      .filter((change) => change.txn === row.txn)
      .map((change) => ({
        table: change.table_name,
        op: change.op,
        columns: change.columns.split(","),
        values: JSON.parse(change.body) as (string | null)[][],
        rowCount: change.row_count,
      })),
  }));
}
