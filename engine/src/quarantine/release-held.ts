import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { touchedKeys } from "../apply/commit-keys.ts";
import { type CommitLoser } from "../apply/write-merged.ts";
import { writeCommits } from "../apply/write-commits.ts";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { keepForeign } from "../log/keep-foreign.ts";
import { storeOutcome } from "../receipt/outcomes.ts";
import type { SqlSession } from "../store/database.ts";
import { dropHeld, type HeldCommit, heldAfter, holdCommits, listQuarantine, waitingOrigins } from "./held-commit.ts";
import { withReferences } from "./present-references.ts";

/** Held commits looked at by one call. */
export const RELEASE_MAX = 200;

export interface Released {
  readonly count: number;
  /** True when the last of the waiting commits was looked at; the next call begins with the first again. */
  readonly isEnd: boolean;
}

/**
 * Applies commits that waited for a row, when that row is there now. Looks at a bounded number of them and goes on there with
 * the next call, so that hopeless ones hold up nobody. Those whose references are all there are tried one by one in the order of
 * their origins; what still fails stays. Their outcome becomes `applied` or `merged` and is told to the child.
 */
export async function releaseHeld(tx: SqlSession, env: ReplicaEnvironment, tenant: string): Promise<Released> {
  const start = env.releasedUpTo.get(tenant) ?? null;
  const held = await heldAfter(tx, tenant, start, RELEASE_MAX);
  const last = held.at(-1);
  const isEnd = held.length < RELEASE_MAX;
  if (isEnd || last === undefined) env.releasedUpTo.delete(tenant);
  else env.releasedUpTo.set(tenant, { origin: last.commit.origin, seq: last.commit.seq });
  const hopeful = await withReferences(tx, env, tenant, held);
  if (hopeful.size === 0) return { count: 0, isEnd };
  const waiting = start === null ? new Set<string>() : await namesUpTo(tx, env, tenant, start);
  const children = await childrenOf(tx, tenant);
  let count = 0;
  for (const item of held) {
    // A later change of a row must not be applied before an earlier one of the same origin that still waits.
    const rows = rowNames(env, item.commit);
    const tried = hopeful.has(item) && !rows.some((row) => waiting.has(row));
    if (tried && (await tryAgain(tx, env, item, item.peer !== null && children.has(item.peer)))) count += 1;
    else rows.forEach((row) => waiting.add(row));
  }
  return { count, isEnd };
}

/** True when the commit does not wait any more because it was applied. */
async function tryAgain(tx: SqlSession, env: ReplicaEnvironment, item: HeldCommit, fromChild: boolean): Promise<boolean> {
  const { commit, peer } = item;
  const { refused, losers } = await writeCommits(tx, env, commit.tenant, [commit], fromChild ? "child" : "parent");
  const refusal = refused.get(commit) ?? null;
  if (refusal === null) {
    await settleReleased(tx, env, item, fromChild ? "child" : "parent", losers);
    return true;
  }
  if (refusal !== "refused-parent") {
    await holdCommits(tx, commit.tenant, [{ commit, code: refusal, retryable: false }], peer);
    await storeOutcome(tx, commit, { outcome: "refused", code: refusal, peer, toldPosition: null });
  }
  return false;
}

/** The rows of the waiting commits of one origin up to a place. */
async function namesUpTo(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  place: { readonly origin: string; readonly seq: number },
): Promise<Set<string>> {
  const earlier = await listQuarantine(tx, tenant, { retryable: true, origin: place.origin, limit: null });
  return new Set(earlier.flatMap(({ commit }) => (commit.seq <= place.seq ? rowNames(env, commit) : [])));
}

async function childrenOf(tx: SqlSession, tenant: string): Promise<ReadonlySet<string>> {
  const { rows } = await tx.query<{ node: string }>(
    `select node_id as node from hayloft.peer where tenant_id = $1 and relation = 'child'`,
    [tenant],
  );
  return new Set(rows.map(({ node }) => node));
}

const rowNames = (env: ReplicaEnvironment, commit: Commit): readonly string[] =>
  [...touchedKeys(commit.changes, env.plans)].flatMap(([plan, keys]) =>
    [...keys].map((key) => `${commit.origin} ${plan.table.name} ${key}`),
  );

async function settleReleased(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { commit, peer }: HeldCommit,
  from: "child" | "parent",
  losers: readonly CommitLoser[],
): Promise<void> {
  await dropHeld(tx, commit.tenant, commit.origin, commit.seq);
  if (peer !== null) await keepForeign(tx, env, { peer, from, tenant: commit.tenant }, [issuedAnew(env, commit)]);
  const merged = losers.some(({ loser }) => loser.lost === "incoming");
  await storeOutcome(tx, commit, { outcome: merged ? "merged" : "applied", code: null, peer, toldPosition: null });
}

/**
 * The commit under an origin of its own: later commits of its first origin have gone ahead, and a receiver would take its
 * seq for a duplicate. Stamp and author stay, so that the rules see the same commit.
 */
function issuedAnew(env: ReplicaEnvironment, commit: Commit): Commit {
  const anew = { ...commit, origin: newId(), seq: 1, previousHash: firstPreviousHash() };
  return { ...anew, hash: commitHash(anew, env.sha256) };
}

/**
 * Splits new commits into those that may be written and those that have to wait, because an earlier commit of the same
 * origin that touches the same row still waits for its parent.
 */
export async function splitWaiting(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
): Promise<{ readonly ready: readonly Commit[]; readonly waiting: readonly Commit[] }> {
  const origins = commits.length === 0 ? new Set<string>() : await waitingOrigins(tx, tenant);
  const rows = new Set<string>();
  for (const origin of new Set(commits.map((commit) => commit.origin))) {
    if (!origins.has(origin)) continue;
    const held = await listQuarantine(tx, tenant, { retryable: true, origin, limit: null });
    for (const { commit } of held) rowNames(env, commit).forEach((name) => rows.add(name));
  }
  if (rows.size === 0) return { ready: commits, waiting: [] };
  const ready: Commit[] = [];
  const waiting: Commit[] = [];
  for (const commit of commits) {
    const names = rowNames(env, commit);
    if (!names.some((name) => rows.has(name))) {
      ready.push(commit);
      continue;
    }
    waiting.push(commit);
    names.forEach((name) => rows.add(name));
  }
  return { ready, waiting };
}
