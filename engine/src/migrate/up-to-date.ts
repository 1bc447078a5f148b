import { catalogHash } from "../catalog/catalog-hash.ts";
import { sameBytes } from "../commit/commit-hash.ts";
import { engineMigrations } from "../sql/engine-migrations.ts";
import type { SqlSession } from "../store/database.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import { captureHash } from "./capture-hash.ts";
import { hasPartitions } from "./ensure-partitions.ts";
import type { MigrateOptions } from "./migrate-options.ts";
import type { Migration } from "./migration.ts";
import { pendingMigrations } from "./pending-migrations.ts";

export interface AppliedMigration {
  readonly name: string;
  readonly hash: Uint8Array;
}

const isEngines = (migration: AppliedMigration): boolean => migration.name.startsWith("hayloft_");

/** The migrations that a database lacks, the engine's first. Throws what `pendingMigrations` throws. */
export function pendingOf(done: readonly AppliedMigration[], migrations: readonly Migration[]): readonly Migration[] {
  return [
    ...pendingMigrations(engineMigrations, done.filter(isEngines)),
    ...pendingMigrations(
      migrations,
      done.filter((item) => !isEngines(item)),
    ),
  ];
}

const MONTH_MS = 31 * 86_400_000;

/** Two months back, for late data, and three ahead; the application keeps making more while it runs. */
export const partitionSpan = (now: Date): readonly [number, number] => [
  now.getTime() - 2 * MONTH_MS,
  now.getTime() + 3 * MONTH_MS,
];

interface Described {
  readonly now: Date;
  readonly node_id: string;
  readonly tier: string;
  readonly catalog_name: string;
  readonly catalog_version: number;
  readonly catalog_hash: Uint8Array;
  readonly capture_hash: Uint8Array | null;
}

/**
 * True when the migration would change nothing: everything that it compares was equal at moments after this was called, each of which
 * stands behind the migration that wrote it. No lock and no transaction is taken, so that a start waits for nobody and writes nothing. False
 * says only that the migration has to look. Throws `migration-invalid` and `database-newer` as the migration does.
 */
export async function isUpToDate(session: SqlSession, options: MigrateOptions): Promise<boolean> {
  const { catalog, nodeId, tier } = options;
  // Asked for together: on PGlite they travel together.
  const [applied, described] = await Promise.all([
    readOr(session.query<AppliedMigration>("select name, hash from hayloft.migration order by name")),
    readOr(
      session.query<Described>(
        `select now() as now, node_id::text as node_id, tier, catalog_name, catalog_version, catalog_hash, capture_hash
        from hayloft.replica`,
      ),
    ),
  ]);
  const [row] = described?.rows ?? [];
  if (applied === null || row === undefined) return false;
  if (pendingOf(applied.rows, options.migrations).length > 0) return false;
  const ours =
    row.node_id === nodeId.toLowerCase() &&
    row.tier === tier &&
    row.catalog_name === catalog.name &&
    row.catalog_version === catalog.version &&
    sameBytes(row.catalog_hash, catalogHash(catalog)) &&
    row.capture_hash !== null &&
    sameBytes(row.capture_hash, captureHash(options));
  return ours && (await hasPartitions(session, catalog, ...partitionSpan(row.now)));
}

/** What a query gives; null on a database that has no such table or column yet. */
async function readOr<Result>(query: Promise<Result>): Promise<Result | null> {
  try {
    return await query;
  } catch (error) {
    const missing = ["42P01", "42703", "3F000"].includes(sqlstateOf(error) ?? "");
    if (!missing) throw error;
    return null;
  }
}
