import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { nodeOfPeer } from "../incarnation/peer-of-copy.ts";
import { grantOf } from "../apply/find-authors.ts";
import { judgeCommits } from "../apply/judge-commits.ts";
import { liftCommit, liftCommits } from "../apply/lift-commits.ts";
import { writeCommits, writeTogether } from "../apply/write-commits.ts";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { newId } from "../identity/new-id.ts";
import { keepForeign } from "../log/keep-foreign.ts";
import { storeOutcome } from "../receipt/outcomes.ts";
import type { SqlSession } from "../store/database.ts";
import { type HeldCommit, readHeld } from "./held-commit.ts";
import { HeldIndex, type Source } from "./held-index.ts";
import { closeHeld } from "./hold-commits.ts";
import { codeBehind, isHealedByChain, isRetryable, isWaiting } from "./released-by.ts";
import { adoptWaiting, dependantsOf, turnDependants } from "./settle-refused.ts";

/** Commits tried together with one that they may heal. */
const CHAIN_MAX = 64;

/** Held for others and not settled: what can be tried at all. */
export async function readWaiting(
  tx: SqlSession,
  tenant: string,
  id: { readonly origin: string; readonly seq: number },
): Promise<HeldCommit | null> {
  const item = await readHeld(tx, tenant, id.origin, id.seq, true);
  return item?.state === "held" && item.peer !== null ? item : null;
}

export async function sourceOf(tx: SqlSession, tenant: string, peer: string): Promise<Source> {
  const { rows } = await tx.query<{ relation: "child" | "parent" }>(
    `select relation from hayloft.peer where tenant_id = $1 and node_id = $2::uuid`,
    [tenant, peer],
  );
  return { tenant, peer, from: rows[0]?.relation ?? "child" };
}

/**
 * Judges and writes a held commit again. True when it is applied now: then it is closed, its outcome is stored for its child, and
 * it goes into the log. Otherwise it stays held, for the reason that holds now.
 */
export async function tryRelease(tx: SqlSession, env: ReplicaEnvironment, item: HeldCommit): Promise<boolean> {
  const { peer, tenant } = item;
  if (peer === null) return false;
  const lifted = liftCommits(env.lens, [item.commit]);
  const [commit = item.commit] = lifted.commits;
  const source = await sourceOf(tx, tenant, peer);
  const grant = source.from === "child" ? await grantOf(tx, env, tenant, peer) : null;
  if (source.from === "child" && grant === null && needsAuthority(item.code)) return false;
  const judged = await judgeCommits(tx, env, { ...source, grant, node: await nodeOfPeer(tx, tenant, peer) }, lifted);
  const mark = judged.markOf(commit);
  const refusal = judged.refused.get(commit) ?? null;
  if (refusal !== null) return await stays(tx, env, item, refusal, null, mark);
  const index = await HeldIndex.open(tx, env, source);
  const cause = await index.causeBefore(commit);
  if (cause !== null) return await stays(tx, env, item, codeBehind(cause), cause, mark);
  const stamp = await newStamp(tx, item);
  const stamped = stamp === null ? commit : { ...commit, stamp };
  const sealed = stamp === null ? item.commit : { ...item.commit, stamp };
  const written = await writeCommits(tx, env, tenant, [stamped], source.from);
  const failed = written.refused.get(stamped) ?? null;
  if (failed !== null) return await stays(tx, env, item, failed, null, mark);
  const merged = written.replaced.size > 0 || written.merged.size > 0;
  await settleReleased(tx, env, item, written.replaced.get(stamped) ?? sealed, merged);
  await keepForeign(tx, env, { tenant, peer: env.nodeId, from: "child" }, written.companions);
  return true;
}

const needsAuthority = (code: ErrorCode): boolean => code === "refused-writer" || code === "refused-scope";

/** Always false: the commit stays, under the code and cause that hold now. */
async function stays(
  tx: SqlSession,
  env: ReplicaEnvironment,
  item: HeldCommit,
  code: ErrorCode,
  cause: { readonly origin: string; readonly seq: number } | null,
  mark: string,
): Promise<false> {
  const { commit, peer } = item;
  await tx.query(
    `update hayloft.quarantine set code = $4, retryable = $5::boolean, cause_origin = $6::uuid, cause_seq = $7::bigint, judged_by = $8
    where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`,
    [commit.tenant, commit.origin, commit.seq, code, isRetryable(code), cause?.origin ?? null, cause?.seq ?? null, mark],
  );
  if (code === item.code) return false;
  const told = peer !== null && (await sourceOf(tx, commit.tenant, peer)).from === "child" ? peer : null;
  await storeOutcome(tx, commit, { outcome: "refused", code, peer: told, toldPosition: null });
  if (!isWaiting(item.code) || isWaiting(code)) return false;
  await turnDependants(tx, commit.tenant, commit);
  await adoptWaiting(tx, env, commit, code);
  return false;
}

/**
 * What built on a commit that a person sent again goes on behind the new one, so it gets a stamp of now; otherwise what its
 * author wrote later would lose against what it was written on.
 */
async function newStamp(tx: SqlSession, { commit }: HeldCommit): Promise<bigint | null> {
  const { rows } = await tx.query<{ stamp: string }>(
    `update hayloft.head set stamp = hayloft.next_stamp(stamp) where tenant_id = $1 and exists (
      select from hayloft.quarantine q where q.tenant_id = $1 and q.origin = $2::uuid and q.seq = $3::bigint and q.restamp)
    returning stamp::text as stamp`,
    [commit.tenant, commit.origin, commit.seq],
  );
  const [row] = rows;
  return row === undefined ? null : BigInt(row.stamp);
}

async function settleReleased(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer }: HeldCommit,
  commit: Commit,
  merged: boolean,
): Promise<void> {
  if (peer === null) return;
  const { tenant } = commit;
  const { from } = await sourceOf(tx, tenant, peer);
  const outcome = merged ? "merged" : "applied";
  if (from === "parent") await forgetUnreported(tx, tenant, commit);
  await closeHeld(tx, tenant, commit, outcome);
  await keepForeign(tx, env, { peer, from, tenant }, [issuedAnew(env, commit)]);
  await storeOutcome(tx, commit, { outcome, code: null, peer: from === "child" ? peer : null, toldPosition: null });
}

/** What came from the parent and was never reported to it concerns nobody any more. */
async function forgetUnreported(tx: SqlSession, tenant: string, { origin, seq }: Commit): Promise<void> {
  await tx.query(
    `with gone as (
      delete from hayloft.quarantine where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint and reported is null returning 1)
    delete from hayloft.quarantine_place p using gone where p.tenant_id = $1 and p.origin = $2::uuid and p.seq = $3::bigint`,
    [tenant, origin, seq],
  );
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
 * Tries a commit together with those that build on it, as if they had come at once: a later one may have corrected what was
 * wrong. All are applied, or nothing has changed. Returns how many.
 */
export async function healChain(tx: SqlSession, env: ReplicaEnvironment, cause: HeldCommit): Promise<number> {
  if (cause.peer === null || !isHealedByChain(cause.code)) return 0;
  const { tenant } = cause;
  const behind = await dependantsOf(tx, tenant, cause);
  if (behind.length === 0 || behind.length >= CHAIN_MAX) return 0;
  const chain = [cause];
  for (const id of behind) {
    const item = await readWaiting(tx, tenant, id);
    if (item !== null) chain.push(item);
  }
  return await releaseTogether(tx, env, chain);
}

/** Applies held commits as one: all of them, or nothing has changed. Returns how many. */
export async function releaseTogether(tx: SqlSession, env: ReplicaEnvironment, items: readonly HeldCommit[]): Promise<number> {
  const [first] = items;
  if (first === undefined || first.peer === null) return 0;
  const { tenant } = first;
  const { from } = await sourceOf(tx, tenant, first.peer);
  const lifted = items.map((item) => liftCommit(env.lens, item.commit));
  const legible = lifted.filter((commit) => commit !== null);
  const merged = legible.length < items.length ? null : await writeTogether(tx, env, tenant, legible, from);
  if (merged === null) return 0;
  for (const [place, item] of items.entries()) {
    const commit = lifted[place];
    await settleReleased(tx, env, item, item.commit, commit !== undefined && commit !== null && merged.has(commit));
  }
  return items.length;
}
