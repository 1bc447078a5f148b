import { commitHash, sameBytes } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { stampAheadMs, STAMP_MAX } from "../clock/hybrid-clock.ts";
import { newId } from "../identity/new-id.ts";
import { hex } from "../log/keep-foreign.ts";
import type { ApplyRequest, LogHorizon } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";

/** How far an origin's commits are applied here. */
interface OriginMark {
  readonly seq: number;
  readonly hash: Uint8Array;
  /** Whose commits they are; null when that is not known yet. */
  readonly node: string | null;
}

export interface AcceptedCommits {
  /** New, in order, genuine and not from the future. */
  readonly fresh: readonly Commit[];
  readonly duplicates: readonly Commit[];
  /** Those of the fresh whose names others have: two copies of their author wrote at the same time below different replicas. */
  readonly strange: ReadonlySet<Commit>;
}

/**
 * Sorts the commits of a slice into new ones and duplicates, with a row lock per origin, so that the same commit arriving on
 * two paths at once is applied once. `hashOf` gives a commit's hash where its changes are not at hand. Throws `sequence-gap`,
 * `content-hash`, `clock-ahead` or `history-diverged`.
 */
export async function acceptCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  nowMs: number,
  hashOf: (commit: Commit) => Uint8Array = (commit) => commitHash(commit, env.sha256),
): Promise<AcceptedCommits> {
  const { commits, tenant } = request.slice;
  const marks = new Map<string, OriginMark>(await lockOrigins(tx, tenant, commits));
  const fresh: Commit[] = [];
  const duplicates: Commit[] = [];
  const strange = new Set<Commit>();
  const peerNode = request.node ?? request.peer;
  for (const commit of commits) {
    const mark = marks.get(commit.origin);
    if (mark === undefined) throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq });
    // Otherwise one node could go on with the chain of another, whose own commits would then look like a second history.
    if (request.from === "child" && mark.node !== null && mark.node !== commit.node) {
      throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq, reason: "origin-of-another-node" });
    }
    if (isStrange(request, commit, mark, peerNode)) {
      // No fault of who passes it on, and no reason to stop the others. From a parent it is the word of the authority.
      const own = request.from === "child" ? commit : { ...commit, origin: newId(), seq: 1 };
      if (request.from === "child") strange.add(own);
      fresh.push(own);
      continue;
    }
    if (commit.seq <= mark.seq) {
      checkDuplicate(request, commit, mark, peerNode);
      duplicates.push(commit);
      continue;
    }
    if (request.from === "child") {
      await checkChain(tx, request, commit, mark, { relayed: commit.node !== peerNode, hash: hashOf(commit) });
      checkStamp(env, commit, nowMs, commit.node !== peerNode);
    }
    marks.set(commit.origin, { seq: commit.seq, hash: commit.hash, node: commit.node });
    fresh.push(commit);
  }
  return { fresh, duplicates, strange };
}

/** Locks the marks of the commits' origins; our own is the head and only tells duplicates. */
async function lockOrigins(
  tx: SqlSession,
  tenant: string,
  commits: readonly Commit[],
): Promise<readonly (readonly [string, OriginMark])[]> {
  const origins = [...new Set(commits.map((commit) => commit.origin))];
  if (origins.length === 0) return [];
  const own = await tx.query<OriginMark & { incarnation: string }>(
    `select incarnation, seq, hash, (select node_id from hayloft.replica) as node from hayloft.head where tenant_id = $1 and incarnation = any($2::uuid[])`,
    [tenant, origins],
  );
  const ours = new Set(own.rows.map((row) => row.incarnation));
  const foreign = origins.filter((origin) => !ours.has(origin)).sort();
  const select = async () =>
    await tx.query<OriginMark & { incarnation: string }>(
      `select incarnation, seq, hash, node_id as node from hayloft.origin where tenant_id = $1 and incarnation = any($2::uuid[]) order by incarnation for update`,
      [tenant, foreign],
    );
  let marks = await select();
  if (marks.rows.length < foreign.length) {
    // Whose they are is stored with the first commit that is settled: a claim alone must not take another node's origin.
    await tx.query(
      `insert into hayloft.origin (tenant_id, incarnation) select $1, * from unnest($2::uuid[]) on conflict do nothing`,
      [tenant, foreign],
    );
    marks = await select();
  }
  const known = marks.rows.map(({ incarnation, ...mark }) => [incarnation, mark] as const);
  return [
    ...known,
    ...own.rows.filter((row) => allSeen(row, commits)).map(({ incarnation, ...mark }) => [incarnation, mark] as const),
  ];
}

/** True when we know every commit that is said to be ours. If not, this database was restored from an older copy. */
const allSeen = (own: OriginMark & { readonly incarnation: string }, commits: readonly Commit[]): boolean =>
  commits.every((commit) => commit.origin !== own.incarnation || commit.seq <= own.seq);

/** True for a commit of somebody else than the sender whose name is that of another commit, or that follows one that we do not have. */
function isStrange(request: ApplyRequest, commit: Commit, mark: OriginMark, peerNode: string): boolean {
  if (request.from === "child" && commit.node === peerNode) return false;
  if (commit.seq === mark.seq) return !sameBytes(commit.hash, mark.hash);
  return request.from === "child" && commit.seq === mark.seq + 1 && !sameBytes(commit.previousHash, mark.hash);
}

/**
 * A commit with a name that is known must be the known one. Only the newest of an origin can be compared; what a child sends of its
 * own below that must be what it had when the session began, or what came in it: another copy of it may have used the name since.
 */
function checkDuplicate(request: ApplyRequest, commit: Commit, mark: OriginMark, peerNode: string): void {
  const details = { origin: commit.origin, seq: commit.seq };
  if (commit.seq === mark.seq) {
    if (!sameBytes(commit.hash, mark.hash)) throw new HayloftError("history-diverged", details);
    return;
  }
  const own = request.from === "child" && commit.node === peerNode && commit.origin === request.slice.incarnation;
  if (own && commit.seq > (request.verifiedSeq ?? Infinity))
    throw new HayloftError("history-diverged", { ...details, reason: "written-by-a-copy" });
}

/**
 * A child's own commits come without gaps, except where it holds them no more: what is missing then is noted. Of the commits that it relays those are missing that it refused itself, so there
 * the chain is checked where it is whole.
 */
async function checkChain(
  tx: SqlSession,
  request: ApplyRequest,
  commit: Commit,
  mark: OriginMark,
  { relayed, hash }: { readonly relayed: boolean; readonly hash: Uint8Array },
): Promise<void> {
  const details = { origin: commit.origin, seq: commit.seq };
  const follows = commit.seq === mark.seq + 1;
  if (!follows && !relayed) {
    if (!beginsBehind(request.horizon ?? null, commit, mark))
      throw new HayloftError("sequence-gap", { ...details, expected: mark.seq + 1 });
    await noteGap(tx, commit, mark);
  }
  if (follows && !sameBytes(commit.previousHash, mark.hash)) throw new HayloftError("history-diverged", details);
  if (!sameBytes(hash, commit.hash)) throw new HayloftError("content-hash", details);
}

/** True for the first commit that its author still holds, when those before it never came or were lost here. */
const beginsBehind = (horizon: LogHorizon | null, commit: Commit, mark: OriginMark): boolean =>
  horizon?.incarnation === commit.origin &&
  horizon.seq > mark.seq &&
  commit.seq === horizon.seq + 1 &&
  sameBytes(commit.previousHash, horizon.hash);

/** These commits can come from nobody any more. */
async function noteGap(tx: SqlSession, { tenant, origin, seq, node }: Commit, mark: OriginMark): Promise<void> {
  await tx.query(
    `insert into hayloft.gap (tenant_id, origin, from_seq, to_seq, node_id) values ($1, $2::uuid, $3::bigint, $4::bigint, $5::uuid)
    on conflict (tenant_id, origin, from_seq) do update set to_seq = greatest(gap.to_seq, excluded.to_seq)`,
    [tenant, origin, mark.seq + 1, seq - 1, node],
  );
}

/** A child stamps its own commits again. Those that it relays are not its to change: the top does that (`restampRelayed`). */
function checkStamp(env: ReplicaEnvironment, commit: Commit, nowMs: number, relayed: boolean): void {
  const aheadMs = stampAheadMs(commit.stamp, nowMs);
  if (commit.stamp <= STAMP_MAX && (relayed || aheadMs <= env.clockAheadMsMax)) return;
  throw new HayloftError("clock-ahead", { origin: commit.origin, seq: commit.seq, aheadMs, limitMs: env.clockAheadMsMax });
}

/**
 * Stores how far each origin is applied. Refused commits count too, as they are settled; only commits whose author could not be
 * verified must not be among them, or a relay could push another node's mark ahead of that node's own commits.
 */
export async function storeOriginMarks(tx: SqlSession, tenant: string, settled: readonly Commit[]): Promise<void> {
  const last = new Map(settled.map((commit) => [commit.origin, commit]));
  if (last.size === 0) return;
  const commits = [...last.values()];
  await tx.query(
    `update hayloft.origin as o set seq = incoming.seq, hash = incoming.hash, node_id = coalesce(o.node_id, incoming.node_id)
    from unnest($2::uuid[], $3::bigint[], $4::bytea[], $5::uuid[]) as incoming (incarnation, seq, hash, node_id)
    where o.tenant_id = $1 and o.incarnation = incoming.incarnation`,
    [
      tenant,
      commits.map((commit) => commit.origin),
      commits.map((commit) => commit.seq),
      commits.map((commit) => hex(commit.hash)),
      commits.map((commit) => commit.node),
    ],
  );
}
