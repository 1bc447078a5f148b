import type { Database } from "@hayloft/engine";
import { ensurePartitions, hasPartitions, pruneLog } from "@hayloft/engine";
import { farmCatalog, rollUp } from "@hayloft/schema";
import { bindArrivedMedia, markIncompleteSessions } from "../domain/session-figures.ts";
import { deleteExpiredClaims } from "../ingress/event-claims.ts";
import { trimRefused } from "../ingress/refused-messages.ts";
import type { Job } from "./job-runner.ts";

export interface EdgeJobsOptions {
  readonly database: Database;
  readonly tenant: string;
  readonly pastHoursMax: number;
  readonly refusedRowsMax: number;
  readonly ackedChangeDays: number;
  readonly hasParent: boolean;
  readonly onPruned: (commits: number) => void;
  readonly onDedupeDeleted: (count: number) => void;
  readonly onIncomplete: (count: number) => void;
}

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Partitions stand ready for a month and a half, so that a site that is off over the turn of a month starts without work. */
const PARTITIONS_AHEAD_DAYS = 45;
/** Rows touched by one run: small, because the ingress waits for the same database. */
const CHUNK_ROWS = 1000;
/** An hour of one device and metric takes about 3 ms, and messages wait meanwhile. */
const ROLL_UP_HOURS = 4;
/** A session without an image for so long is incomplete. */
export const INCOMPLETE_AFTER_MS = 600_000;

/** The daemon's housekeeping. Each run does a bounded piece. */
export function edgeJobs(options: EdgeJobsOptions): readonly Job[] {
  const { database, tenant } = options;
  const chunked = (name: string, everyMs: number, run: (nowMs: number) => Promise<number>): Job => ({
    name,
    everyMs,
    run: async (nowMs) => {
      const done = await run(nowMs);
      return { done, more: done >= CHUNK_ROWS };
    },
  });
  return [
    { name: "partitions", everyMs: HOUR_MS, run: (nowMs) => makePartitions(options, nowMs) },
    {
      name: "roll-up",
      everyMs: 15 * SECOND_MS,
      run: async () => {
        const { hours, changed } = await rollUp(database, { hoursMax: ROLL_UP_HOURS });
        return { done: changed, more: hours >= ROLL_UP_HOURS };
      },
    },
    chunked("dedupe-cleanup", 60 * SECOND_MS, async (nowMs) => {
      const count = await deleteExpiredClaims(database, nowMs, CHUNK_ROWS);
      options.onDedupeDeleted(count);
      return count;
    }),
    chunked("refused-trim", 30 * SECOND_MS, () => trimRefused(database, options.refusedRowsMax, CHUNK_ROWS)),
    chunked("incomplete-sessions", 30 * SECOND_MS, async (nowMs) => {
      const count = await markIncompleteSessions(database, tenant, nowMs, INCOMPLETE_AFTER_MS, CHUNK_ROWS);
      if (count > 0) options.onIncomplete(count);
      return count;
    }),
    {
      name: "log-pruning",
      everyMs: HOUR_MS,
      run: async (nowMs) => {
        const olderThanMs = options.ackedChangeDays * DAY_MS;
        const pruned = await pruneLog(database, farmCatalog, { olderThanMs, nowMs, hasParent: options.hasParent });
        const commits = pruned.reduce((sum, log) => sum + log.commits, 0);
        options.onPruned(commits);
        return { done: commits, more: false };
      },
    },
    chunked("bind-media", 30 * SECOND_MS, () => bindArrivedMedia(database, tenant, CHUNK_ROWS)),
  ];
}

/** Makes the partitions that readings within the clock window can need, and those of the coming weeks. */
async function makePartitions(
  { database, pastHoursMax }: Pick<EdgeJobsOptions, "database" | "pastHoursMax">,
  nowMs: number,
): Promise<{ readonly done: number; readonly more: boolean }> {
  const span = [nowMs - pastHoursMax * HOUR_MS, nowMs + PARTITIONS_AHEAD_DAYS * DAY_MS] as const;
  if (await hasPartitions(database, farmCatalog, ...span)) return { done: 0, more: false };
  const made = await database.transaction((tx) => ensurePartitions(tx, farmCatalog, ...span));
  return { done: made.length, more: false };
}
