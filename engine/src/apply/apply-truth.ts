import type { CellText, Change, Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { keepForeign, raiseStamp } from "../log/keep-foreign.ts";
import type { LaterRows } from "../log/later-rows.ts";
import { columnOf, joiningWhere, rowKeys, STAMPS_COLUMN, stateOfChange, takesBack, takingBack } from "../merge/row-change.ts";
import { latestStamp, UNKNOWN_STAMP } from "../merge/row-state.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { holdCommits } from "../quarantine/hold-commits.ts";
import type { CommitOutcome } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { writeCommits } from "./write-commits.ts";

/** The refused or merged commit as our log has it; null when it was pruned. */
export interface JudgedCommit {
  readonly stamp: bigint;
  readonly node: string;
}

/** A commit that was pruned has no stamp to take back any more. */
const NOBODYS: JudgedCommit = { stamp: 0n, node: "" };

/**
 * Brings the rows of a refused or merged commit to what the authority has. What later, still unacknowledged commits of ours
 * wrote to the same rows stays. Children who may have got the refused commit from us get the same rows through the log.
 */
export async function applyTruth(
  tx: SqlSession,
  env: ReplicaEnvironment,
  ack: { readonly peer: string; readonly tenant: string; readonly position: number },
  outcome: CommitOutcome,
  judged: JudgedCommit | null,
  laterRows: LaterRows,
): Promise<void> {
  const changes: Change[] = [];
  for (const change of outcome.truth) {
    const plan = env.plans.get(change.table);
    if (plan === undefined || change.rowCount === 0) continue;
    const later = await laterRows.behind(ack.position, change, plan);
    const joined = joiningWhere(change, plan, later);
    const marked = outcome.outcome === "refused" ? takingBack(joined, judged ?? NOBODYS) : joined;
    const written = keepOwnLater(marked, plan, later);
    if (written.rowCount > 0) changes.push(written);
  }
  const latest = latestStampOf(env, changes);
  // A commit that was merged under another stamp had one from the future, which must not reach a clock again.
  const stamp = outcome.outcome === "refused" ? (judged?.stamp ?? 0n) : latest;
  const applied = await writeTruth(tx, env, ack, stamp, changes);
  await raiseStamp(tx, ack.tenant, latest);
  // Children hear of a merged row by the commits that it was merged from, unless they would merge those to something else.
  if (outcome.outcome === "merged" && !changes.some(takesBack)) return;
  for (const commit of applied) {
    const sent = commit.changes.filter((change) => env.sentDown.has(change.table));
    if (sent.length > 0)
      await keepForeign(tx, env, { peer: ack.peer, from: "parent", tenant: ack.tenant }, [{ ...commit, changes: sent }]);
  }
}

/**
 * Writes the answer and returns what of it could be written. The rest is set aside, or one answer would stop all
 * acknowledgements: rows that refer to one that is still on its way here are written when that arrives; a row to which rows of
 * ours refer, of commits that are still to be judged, goes away with them.
 */
async function writeTruth(
  tx: SqlSession,
  env: ReplicaEnvironment,
  ack: { readonly peer: string; readonly tenant: string },
  stamp: bigint,
  changes: readonly Change[],
): Promise<readonly Commit[]> {
  const whole = correction(env, ack.tenant, stamp, changes);
  const first = await writeCommits(tx, env, ack.tenant, [whole], "parent");
  if (first.refused.size === 0) return [whole];
  const parts = [changes.filter(({ op }) => op !== "delete"), changes.filter(({ op }) => op === "delete")]
    .filter((part) => part.length > 0)
    .map((part) => correction(env, ack.tenant, stamp, part));
  const { refused } = await writeCommits(tx, env, ack.tenant, parts, "parent");
  const held = [...refused].map(([commit, code]) => ({ commit, code }));
  await holdCommits(tx, env, ack.tenant, held, ack.peer);
  return parts.filter((commit) => !refused.has(commit));
}

/** The greatest stamp of the rows, of one node or of all: what is written here from now on is later than what the authority has. */
export function latestStampOf(env: ReplicaEnvironment, changes: readonly Change[], node: string | null = null): bigint {
  let latest = 0n;
  for (const change of changes) {
    const plan = env.plans.get(change.table);
    if (plan?.merges !== true) continue;
    for (let row = 0; row < change.rowCount; row += 1) {
      const stamp = latestStamp(stateOfChange(change, row, UNKNOWN_STAMP, plan), node);
      if (stamp > latest) latest = stamp;
    }
  }
  return latest;
}

/** The answer as a commit of its own origin, so that children apply it as they apply any other commit from above. */
export const correction = (env: ReplicaEnvironment, tenant: string, stamp: bigint, changes: readonly Change[]): Commit => ({
  tenant,
  origin: newId(),
  seq: 1,
  stamp,
  node: env.nodeId,
  tier: env.tier,
  author: null,
  catalogVersion: env.catalog.version,
  previousHash: new Uint8Array(32),
  hash: new Uint8Array(32),
  changes,
});

/**
 * Leaves out rows that a later commit of ours changed and that cannot be merged with it: rows of plain tables, and rows that
 * the authority does not know.
 */
function keepOwnLater(change: Change, plan: RowPlan, later: ReadonlySet<string>): Change {
  if (later.size === 0) return change;
  const stamps: readonly CellText[] = columnOf(change, STAMPS_COLUMN) ?? [];
  const merges = (row: number): boolean => plan.merges && (change.op !== "delete" || (stamps[row] ?? "{}") !== "{}");
  const kept = [...rowKeys(change, plan).entries()].filter(([row, key]) => merges(row) || !later.has(key)).map(([row]) => row);
  return { ...change, values: change.values.map((vector) => kept.map((row) => vector[row] ?? null)), rowCount: kept.length };
}
