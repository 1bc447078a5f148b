import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { keepForeign } from "../log/keep-foreign.ts";
import { holdCommits } from "../quarantine/held-commit.ts";
import { releaseHeld, splitWaiting } from "../quarantine/release-held.ts";
import { outcomesToTell, storeOutcome } from "../receipt/outcomes.ts";
import type { ApplyRequest, ApplyResult } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { acceptCommits, storeOriginMarks } from "./accept-commits.ts";
import { beginApplying, type ReplicaEnvironment } from "./apply-environment.ts";
import { refusalOfCommit, refusalOfShape } from "./check-authority.ts";
import { refusedByExistingScope } from "./existing-scope.ts";
import { findAuthors } from "./find-authors.ts";
import { bringsRowsIn } from "../scope/entering-rows.ts";
import { lockCursor, moveCursor, noteDue } from "./peer-cursor.ts";
import { writeCommits, type WriteResult } from "./write-commits.ts";

type Refusals = ReadonlyMap<Commit, ErrorCode>;

/**
 * Applies a slice of a peer's log in one transaction: rows, cursor, origins, outcomes, quarantine and our own log become
 * visible together or not at all. `ReplicaStorage.apply` says what it throws.
 */
export async function applySlice(
  database: Database,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  nowMs: number,
): Promise<ApplyResult> {
  checkTenant(env, request);
  return await database.transaction(async (tx) => {
    await beginApplying(tx);
    return await applyInTransaction(tx, env, request, nowMs);
  });
}

/** The slice, its commits and the grant speak of one tenant. Nothing of a foreign tenant is written, not even a refusal. */
function checkTenant(env: ReplicaEnvironment, { from, grant, slice }: ApplyRequest): void {
  const mayWrite = from === "parent" ? true : grant !== null && grant.tenant === slice.tenant;
  const shared = from === "child" && slice.tenant === env.catalog.sharedTenant;
  if (!mayWrite || shared || slice.commits.some((commit) => commit.tenant !== slice.tenant)) {
    throw new HayloftError("refused-scope", { tenant: slice.tenant });
  }
}

async function applyInTransaction(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  nowMs: number,
): Promise<ApplyResult> {
  const { slice, peer, from, grant } = request;
  const received = await lockCursor(tx, request);
  const { fresh, duplicates } = await acceptCommits(tx, env, request, nowMs);
  const { refused: judged, unverified } = await judge(tx, env, request, fresh);
  const { ready, waiting } = await splitWaiting(
    tx,
    env,
    slice.tenant,
    fresh.filter((commit) => !judged.has(commit)),
  );
  const refill = from === "parent" && (await bringsRowsIn(tx, env, slice.tenant, ready));
  const written = await writeCommits(
    tx,
    env,
    slice.tenant,
    ready.map((commit) => withoutEvictions(commit, from)),
    from,
  );
  const refused = allRefusals(judged, waiting, written, ready);
  const applied = fresh.filter((commit) => !refused.has(commit));
  await storeOriginMarks(
    tx,
    slice.tenant,
    fresh.filter((commit) => !unverified.has(commit)),
  );
  await keepForeign(tx, env, { peer, from, tenant: slice.tenant }, applied);
  if (from === "child") await forgetClaims(tx, slice.tenant, applied);
  await settle(tx, request, refused, written);
  if (applied.some((commit) => commit.changes.some((change) => env.referenced.has(change.table)))) {
    await releaseHeld(tx, env, slice.tenant);
  }
  const position = Math.max(received, slice.upTo);
  const told = { tenant: slice.tenant, peer, grant, after: slice.after, upTo: position };
  const { outcomes, areMore } =
    from === "child" ? await outcomesToTell(tx, env, told, slice.commits) : { outcomes: [], areMore: false };
  await moveCursor(tx, request, position);
  const waits = from === "parent" && [...refused.keys()].some(({ changes }) => changes.some(({ op }) => op === "evict"));
  if (refill || waits) await noteDue(tx, request, { refill, purge: waits });
  const rowsApplied = applied.reduce((sum, commit) => commit.changes.reduce((rows, change) => rows + change.rowCount, sum), 0);
  return {
    position,
    outcomes,
    untold: areMore,
    refill,
    rowsApplied,
    commitsApplied: applied.length,
    commitsDuplicate: duplicates.length,
  };
}

interface Judgement {
  readonly refused: Refusals;
  /** Those of the refused that the peer passed on for a node for which it may not speak. */
  readonly unverified: ReadonlySet<Commit>;
}

/** What is refused before anything is written: all checks for a child, for the parent only what we have no table for. */
async function judge(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer, from, grant, slice }: ApplyRequest,
  fresh: readonly Commit[],
): Promise<Judgement> {
  const refused = new Map<Commit, ErrorCode>();
  const unverified = new Set<Commit>();
  if (from === "parent" || grant === null) {
    for (const commit of fresh) {
      if (commit.changes.some((change) => refusalOfShape(change, env.plans.get(change.table), true) !== null))
        refused.set(commit, "refused-schema");
    }
    return { refused, unverified };
  }
  const authorOf = await findAuthors(tx, env, peer, grant, fresh);
  for (const commit of fresh) {
    const author = authorOf(commit);
    const refusal = author === null ? "refused-writer" : refusalOfCommit(commit, author, env.plans);
    if (refusal !== null) refused.set(commit, refusal);
    if (author === null && commit.node !== peer) unverified.add(commit);
  }
  const left = fresh.filter((commit) => !refused.has(commit));
  for (const commit of await refusedByExistingScope(tx, env, slice.tenant, grant, left)) refused.set(commit, "refused-scope");
  return { refused, unverified };
}

/**
 * Forgets what was said of these commits when somebody brought them whose word did not count; now they came from one whose
 * word does.
 */
async function forgetClaims(tx: SqlSession, tenant: string, applied: readonly Commit[]): Promise<void> {
  if (applied.length === 0) return;
  const origins = applied.map((commit) => commit.origin);
  const seqs = applied.map((commit) => commit.seq);
  await tx.query(
    `with gone as (
      delete from hayloft.quarantine as q using unnest($2::uuid[], $3::bigint[]) as n (origin, seq)
      where q.tenant_id = $1 and q.origin = n.origin and q.seq = n.seq)
    delete from hayloft.outcome as o using unnest($2::uuid[], $3::bigint[]) as n (origin, seq)
    where o.tenant_id = $1 and o.origin = n.origin and o.seq = n.seq`,
    [tenant, origins, seqs],
  );
}

/** A child's eviction says that a row left somebody's scope; the row itself is in the update that follows. */
function withoutEvictions(commit: Commit, from: ApplyRequest["from"]): Commit {
  if (from === "parent" || !commit.changes.some((change) => change.op === "evict")) return commit;
  return { ...commit, changes: commit.changes.filter((change) => change.op !== "evict") };
}

function allRefusals(judged: Refusals, waiting: readonly Commit[], written: WriteResult, ready: readonly Commit[]): Refusals {
  const names = new Map(ready.map((commit) => [`${commit.origin} ${String(commit.seq)}`, commit]));
  const failed = [...written.refused].flatMap(([commit, code]) => {
    const original = names.get(`${commit.origin} ${String(commit.seq)}`);
    return original === undefined ? [] : ([[original, code]] as const);
  });
  return new Map([...judged, ...waiting.map((commit) => [commit, "refused-parent"] as const), ...failed]);
}

/** Stores outcomes that are not plain `applied`, and sets refused commits aside. */
async function settle(tx: SqlSession, { peer, from }: ApplyRequest, refused: Refusals, written: WriteResult): Promise<void> {
  const told = from === "child" ? peer : null;
  for (const [commit, code] of refused) {
    await holdCommits(tx, commit.tenant, [{ commit, code, retryable: code === "refused-parent" }], peer);
    await storeOutcome(tx, commit, { outcome: "refused", code, peer: told, toldPosition: null });
  }
  const merged = new Map(
    written.losers
      .filter(({ loser }) => loser.lost === "incoming")
      .map(({ commit }) => [`${commit.origin} ${String(commit.seq)}`, commit]),
  );
  if (from === "parent") return;
  for (const commit of merged.values())
    await storeOutcome(tx, commit, { outcome: "merged", code: null, peer: told, toldPosition: null });
}
