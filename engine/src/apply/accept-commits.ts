import { commitHash, sameBytes } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { stampAheadMs, STAMP_MAX } from "../clock/hybrid-clock.ts";
import { hex } from "../log/keep-foreign.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
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
  for (const commit of commits) {
    const mark = marks.get(commit.origin);
    if (mark === undefined) throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq });
    // Otherwise one node could go on with the chain of another, whose own commits would then look like a second history.
    if (request.from === "child" && mark.node !== null && mark.node !== commit.node) {
      throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq, reason: "origin-of-another-node" });
    }
    if (commit.seq <= mark.seq) {
      if (commit.seq === mark.seq && !sameBytes(commit.hash, mark.hash)) {
        throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq });
      }
      duplicates.push(commit);
      continue;
    }
    if (request.from === "child") {
      checkChain(hashOf, commit, mark, commit.node !== request.peer);
      checkStamp(env, commit, nowMs);
    }
    marks.set(commit.origin, { seq: commit.seq, hash: commit.hash, node: commit.node });
    fresh.push(commit);
  }
  return { fresh, duplicates };
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

/**
 * A child's own commits come without gaps. Of the commits that it relays those are missing that it refused itself, so there
 * the chain is checked where it is whole.
 */
function checkChain(hashOf: (commit: Commit) => Uint8Array, commit: Commit, mark: OriginMark, relayed: boolean): void {
  const details = { origin: commit.origin, seq: commit.seq };
  const follows = commit.seq === mark.seq + 1;
  if (!follows && !relayed) throw new HayloftError("sequence-gap", { ...details, expected: mark.seq + 1 });
  if (follows && !sameBytes(commit.previousHash, mark.hash)) throw new HayloftError("history-diverged", details);
  if (!sameBytes(hashOf(commit), commit.hash)) throw new HayloftError("content-hash", details);
}

function checkStamp(env: ReplicaEnvironment, commit: Commit, nowMs: number): void {
  const aheadMs = stampAheadMs(commit.stamp, nowMs);
  if (commit.stamp <= STAMP_MAX && aheadMs <= env.clockAheadMsMax) return;
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
