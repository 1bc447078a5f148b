import { startClock, stampOfMs, tickClock } from "../clock/hybrid-clock.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { noteRestamps, type RestampedCommit } from "../journal/note-restamps.ts";
import { latestOpsSeen, opsSeen, renameOpsSeen } from "../merge/memory/row-ops.ts";
import { latestSeen, renameSeen, seenStamps } from "../merge/row-seen.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { commitName } from "./commit-keys.ts";

/** The commits of a slice as they are applied and kept. */
export interface Restamped {
  readonly commits: readonly Commit[];
  /** Names of those that got another stamp. */
  readonly names: ReadonlySet<string>;
}

/** Renames a stamp of a node; null: it has no other name. */
type Rename = (stamp: string, node: string) => string | null;

/**
 * A commit that a relay passes on cannot be sent back: its author stamped it by a wrong clock, perhaps weeks ago, and may be
 * switched off. So the top takes it under a stamp of its own time, before any clock is touched; what its author sealed stays what the
 * chain is checked by. What later commits say to have seen of it follows, and a commit that would now be older than what it
 * replaced gets a new stamp too. Each is noted in the journal; relay and author learn of it by the answer `merged`.
 */
export async function restampRelayed(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  fresh: readonly Commit[],
  nowMs: number,
  strange: ReadonlySet<Commit> = new Set(),
): Promise<Restamped> {
  const { from, slice } = request;
  const sender = request.node ?? request.peer;
  const nothing = { commits: fresh, names: new Set<string>() };
  if (from !== "child" || env.hasParent || fresh.length === 0) return nothing;
  const limit = stampOfMs(nowMs + env.clockAheadMsMax);
  const isFuture = (commit: Commit): boolean => commit.node !== sender && commit.stamp > limit && !strange.has(commit);
  if (!fresh.some(isFuture) && !(await hasRestamped(tx, slice.tenant))) return nothing;
  const renamed = await knownRestamps(tx, slice.tenant, fresh);
  const rename: Rename = (stamp, node) => renamed.get(stampName(stamp, node)) ?? null;
  const last = new Map<string, bigint>();
  const notes: RestampedCommit[] = [];
  const commits = fresh.map((commit) => {
    if (strange.has(commit)) return commit;
    const changes = commit.changes.map((change) => renameOpsSeen(renameSeen(change, rename), rename));
    const seen = seenBy(changes, limit);
    const isRenamed = changes.some((change, place) => change !== commit.changes[place]);
    if (!isFuture(commit) && !(isRenamed && seen >= commit.stamp)) return isRenamed ? { ...commit, changes } : commit;
    // By node: what it wrote in two lives, or its copies did, must not get one stamp.
    const before = last.get(commit.node) ?? 0n;
    const { stamp } = tickClock(startClock(seen > before ? seen : before), nowMs);
    last.set(commit.node, stamp);
    renamed.set(stampName(String(commit.stamp), commit.node), String(stamp));
    notes.push(noteOf(commit, stamp));
    return { ...commit, stamp, changes };
  });
  await noteRestamps(tx, env.sha256, slice.tenant, notes);
  return { commits, names: new Set(notes.map(commitName)) };
}

const stampName = (stamp: string, node: string): string => `${stamp} ${node}`;

const noteOf = (commit: Commit, to: bigint): RestampedCommit => ({
  origin: commit.origin,
  seq: commit.seq,
  node: commit.node,
  tier: commit.tier,
  author: commit.author,
  from: commit.stamp,
  to,
  rowCount: commit.changes.reduce((sum, { rowCount }) => sum + rowCount, 0),
});

/** The latest stamp that the writer had seen and that is not itself from the future, of a commit that never came here. */
function seenBy(changes: readonly Change[], limit: bigint): bigint {
  const isUnknown = (stamp: string): boolean => BigInt(stamp) > limit;
  const [cells, ops] = [latestSeen(changes, isUnknown), latestOpsSeen(changes, isUnknown)];
  return cells > ops ? cells : ops;
}

const RESTAMPS = "tenant_id = $1 and table_name = '' and row_key = '' and column_name = '$stamp'";

async function hasRestamped(tx: SqlSession, tenant: string): Promise<boolean> {
  const { rows } = await tx.query<{ found: boolean }>(`select exists (select from hayloft.loss where ${RESTAMPS}) as found`, [
    tenant,
  ]);
  return rows[0]?.found === true;
}

/** New names of the stamps that the commits say to have seen. */
async function knownRestamps(tx: SqlSession, tenant: string, commits: readonly Commit[]): Promise<Map<string, string>> {
  const changes = commits.flatMap((commit) => commit.changes);
  const stamps = [...new Set([...seenStamps(changes), ...opsSeen(changes)])];
  if (stamps.length === 0) return new Map();
  const { rows } = await tx.query<{ old: string; node: string; new: string }>(
    `select loser_stamp::text as old, loser_node::text as node, winner_stamp::text as new from hayloft.loss
    where ${RESTAMPS} and loser_stamp = any($2::bigint[])`,
    [tenant, stamps],
  );
  return new Map(rows.map((row) => [stampName(row.old, row.node), row.new]));
}

/** The stamp under which the author sealed a commit that was taken under another one; null for any other commit. */
export async function sealedStampOf(
  tx: SqlSession,
  tenant: string,
  { origin, seq }: { readonly origin: string; readonly seq: number },
): Promise<{ readonly stamp: bigint; readonly node: string } | null> {
  const { rows } = await tx.query<{ stamp: string; node: string }>(
    `select loser_stamp::text as stamp, loser_node::text as node from hayloft.loss
    where ${RESTAMPS} and loser_origin = $2::uuid and loser_seq = $3::bigint order by noticed_at desc limit 1`,
    [tenant, origin, seq],
  );
  const [row] = rows;
  return row === undefined ? null : { stamp: BigInt(row.stamp), node: row.node };
}
