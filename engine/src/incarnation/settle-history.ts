import { sameBytes } from "../commit/commit-hash.ts";
import type { ChainPoint, HistoryCheck } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { beginIncarnations, type IncarnationCause, lockParents } from "./begin-incarnation.ts";
import { LIVES_MAX } from "./chain-points.ts";
import { settleFormerLives } from "./former-life.ts";

interface OwnLog {
  readonly incarnation: string;
  readonly position: number;
  readonly seq: number;
  readonly pruned: number;
  /** The hash of our commit at the parent's seq; null when it was pruned. */
  readonly hash: Uint8Array | null;
  readonly acknowledged: number;
}

interface Life {
  readonly incarnation: string;
  readonly position: number;
  readonly seq: number;
}

/**
 * Compares what the parent has of our log with ours; `ReplicaStorage.settleHistory` says what holds. What a parent has lost goes up
 * again, as far as the log holds it.
 */
export async function settleHistory(database: Database, check: HistoryCheck): Promise<number | IncarnationCause> {
  return await database.transaction(async (tx) => {
    await lockParents(tx);
    await settleFormerLives(tx, check);
    const log = await readOwnLog(tx, check);
    const cause = causeOf(log, check);
    if (cause !== null) {
      await beginIncarnations(tx, { cause, hasParent: true });
      return cause;
    }
    const taken = takenPosition(log, await readLives(tx, check.tenant), check);
    return Math.max(log.pruned, Math.min(taken, log.acknowledged));
  });
}

const chainOf = (chains: readonly ChainPoint[], incarnation: string): ChainPoint | undefined =>
  chains.find((chain) => chain.incarnation === incarnation);

/** Why this database cannot be the one that the parent knows; null when it can. */
function causeOf(log: OwnLog, { chains, received }: HistoryCheck): IncarnationCause | null {
  if (received?.incarnation === log.incarnation && received.position > log.position) return "rewound";
  const chain = chainOf(chains, log.incarnation);
  if (chain === undefined) return null;
  if (chain.seq > log.seq) return "rewound";
  return log.hash !== null && !sameBytes(log.hash, chain.hash) ? "diverged" : null;
}

async function readOwnLog(tx: SqlSession, { tenant, peer, chains }: HistoryCheck): Promise<OwnLog> {
  const { rows } = await tx.query<Omit<OwnLog, "hash" | "acknowledged">>(
    `select incarnation, position, seq, pruned_position as pruned from hayloft.lock_head($1)`,
    [tenant],
  );
  const log = rows[0] ?? { incarnation: "", position: 0, seq: 0, pruned: 0 };
  const found = await tx.query<Pick<OwnLog, "hash" | "acknowledged">>(
    `select hayloft.own_hash($1, $3::uuid, $4::bigint) as hash, coalesce((select p.acked_position from hayloft.peer p
      where p.tenant_id = $1 and p.node_id = $2::uuid and p.acked_incarnation = $3::uuid), 0) as acknowledged`,
    [tenant, peer, log.incarnation, chainOf(chains, log.incarnation)?.seq ?? 0],
  );
  return { ...log, hash: found.rows[0]?.hash ?? null, acknowledged: found.rows[0]?.acknowledged ?? 0 };
}

async function readLives(tx: SqlSession, tenant: string): Promise<readonly Life[]> {
  const { rows } = await tx.query<Life>(
    `select incarnation, position, seq from hayloft.incarnation where tenant_id = $1 order by ended_at desc limit ${String(LIVES_MAX)}`,
    [tenant],
  );
  return rows;
}

/**
 * How far the parent has the log. A cursor of an earlier life counts up to that life's end. A parent that knows this copy of us not
 * yet has what we had in common with it when our incarnation began, unless it lacks commits of an earlier life.
 */
function takenPosition(log: OwnLog, lives: readonly Life[], { chains, received }: HistoryCheck): number {
  if (received?.incarnation === log.incarnation) return received.position;
  const life = lives.find(({ incarnation }) => incarnation === received?.incarnation);
  if (received !== null && life !== undefined) return Math.min(life.position, received.position);
  const hasAll = lives.length > 0 && lives.every(({ incarnation, seq }) => (chainOf(chains, incarnation)?.seq ?? 0) >= seq);
  return received === null && hasAll ? log.acknowledged : 0;
}
