import type { Database } from "@hayloft/engine";
import { compactMemories, ensurePartitions, pruneLog } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import type { HubSettings } from "../config/hub-settings.ts";

export interface MaintenanceResult {
  /** Names of the partitions that were made. */
  readonly partitions: readonly string[];
  readonly prunedCommits: number;
  readonly deletedTokens: number;
}

/** Tokens stay for a while after they expired, so that a question about an enrolment can be answered. */
const TOKEN_KEPT_MS = 90 * 24 * 60 * 60_000;

/**
 * Makes the coming months' partitions, prunes commits that every node has and that are older than the retention, folds what documents and
 * counters remember of that time, and deletes
 * tokens that expired long ago. Repeatable, and safe to run in several processes at once.
 */
export async function maintainHub(database: Database, settings: HubSettings, nowMs: number): Promise<MaintenanceResult> {
  const until = new Date(nowMs);
  until.setUTCMonth(until.getUTCMonth() + settings["maintenance.partitions_ahead_months"], 1);
  const partitions = await database.transaction(async (tx) => {
    // One process at a time; the others find nothing left to do.
    await tx.query("select pg_advisory_xact_lock($1)", [MAINTENANCE_LOCK]);
    return await ensurePartitions(tx, farmCatalog, nowMs, until.getTime());
  });
  const olderThanMs = settings["retention.acked_change_days"] * 24 * 60 * 60_000;
  const pruned = await pruneLog(database, farmCatalog, { olderThanMs, nowMs, hasParent: false });
  await compactMemories(database, farmCatalog, { olderThanMs, nowMs });
  const { affected } = await database.query("delete from enrolment_tokens where expires_at < $1", [
    new Date(nowMs - TOKEN_KEPT_MS),
  ]);
  return { partitions, prunedCommits: pruned.reduce((sum, log) => sum + log.commits, 0), deletedTokens: affected };
}

const MAINTENANCE_LOCK = 7_214_503_120;
