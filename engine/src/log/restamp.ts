import { beginApplying, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { COPY_COUNTER_BITS, startClock, stampOfMs, tickClock } from "../clock/hybrid-clock.ts";
import { commitHashOf, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { itemsOf, type Json, membersOf } from "../merge/memory/memory.ts";
import { latestOpsSeen } from "../merge/memory/row-ops.ts";
import { rowKeys } from "../merge/row-change.ts";
import { GONE_FIELD, MEMORY_FIELD } from "../merge/row-state.ts";
import { noteRestamps, type RestampedCommit } from "../journal/note-restamps.ts";
import { renameLosses } from "../journal/rename-losses.ts";
import { latestSeen } from "../merge/row-seen.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { COMMIT_COLUMNS, type ChangeRow, type CommitRow } from "./commit-row.ts";
import { hex } from "./keep-foreign.ts";
import { correctChildren } from "./correct-children.ts";
import { type PlacedChange, readPlacedChanges, renameChanges } from "./rename-changes.ts";
import { acknowledgedPosition } from "./unacknowledged.ts";
import { liftRow } from "./walk-changes.ts";

interface Restamped {
  readonly row: CommitRow;
  readonly stamp: bigint;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
}

/**
 * Gives our own commits that the peer has not acknowledged new stamps from the present time (corrected by the peer's
 * measured skew), makes their hash chain anew and corrects the stamps of the rows they wrote: one transaction, so that a
 * stamp from the future is gone everywhere or nowhere. Returns how many.
 */
export async function restampUnacknowledged(
  database: Database,
  env: ReplicaEnvironment,
  peer: string,
  tenant: string,
  nowMs: number,
): Promise<number> {
  return await database.transaction(async (tx) => {
    await beginApplying(tx);
    const heads = await tx.query<{ incarnation: string }>(`select incarnation from hayloft.lock_head($1)`, [tenant]);
    const origin = heads.rows[0]?.incarnation ?? "";
    const after = await acknowledgedPosition(tx, tenant, peer);
    const own = await tx.query<CommitRow>(
      `select ${COMMIT_COLUMNS} from hayloft.commit where tenant_id = $1 and origin = $2::uuid and position > $3 order by position for update`,
      [tenant, origin, after],
    );
    if (own.rows.length === 0) return 0;
    const skew = await tx.query<{ skew_ms: number | null }>(
      `select skew_ms from hayloft.peer where node_id = $1::uuid and tenant_id = $2`,
      [peer, tenant],
    );
    const salt = await tx.query<{ copy: number }>(
      `select stamp_salt / ${String(1n << COPY_COUNTER_BITS)} as copy from hayloft.replica`,
    );
    const trueMs = nowMs + (skew.rows[0]?.skew_ms ?? 0);
    const limit = stampOfMs(trueMs + env.clockAheadMsMax);
    const start = await lastOtherStamp(tx, tenant, { origin, after, limit });
    const restamped = await restamp(tx, env, tenant, own.rows, { start, nowMs: trueMs, limit, copy: salt.rows[0]?.copy ?? 0 });
    await storeCommits(tx, tenant, restamped);
    await correctRowStates(tx, env, tenant, restamped);
    await renameLosses(
      tx,
      env,
      tenant,
      restamped.map(({ row, stamp }) => ({ from: { stamp: BigInt(row.stamp), node: row.node_id }, to: stamp })),
    );
    await noteRestamps(tx, env.sha256, tenant, restamped.map(noteOf));
    await correctChildren(tx, env, { peer, tenant }, restamped);
    return restamped.length;
  });
}

const noteOf = ({ row, stamp }: Restamped): RestampedCommit => ({
  origin: row.origin,
  seq: row.seq,
  node: row.node_id,
  tier: row.tier,
  author: row.author,
  from: BigInt(row.stamp),
  to: stamp,
  rowCount: row.row_count,
});

/**
 * The greatest stamp of the log that stays: acknowledged and foreign commits. New stamps are greater. What is itself from the future
 * does not count, or its clock would go on through ours.
 */
async function lastOtherStamp(
  tx: SqlSession,
  tenant: string,
  { origin, after, limit }: { readonly origin: string; readonly after: number; readonly limit: bigint },
): Promise<bigint> {
  const { rows } = await tx.query<{ stamp: string | null }>(
    `select max(stamp)::text as stamp from hayloft.commit
    where tenant_id = $1 and (position <= $3 or origin <> $2::uuid) and stamp <= $4::bigint`,
    [tenant, origin, after, limit],
  );
  return BigInt(rows[0]?.stamp ?? "0");
}

async function restamp(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  rows: readonly CommitRow[],
  from: RestampFrom,
): Promise<readonly Restamped[]> {
  const changes = await readPlacedChanges(
    tx,
    tenant,
    rows.map((row) => row.txn),
  );
  const stamps = newStamps(rows, changes, from);
  const renamed = new Map(rows.map((row, index) => [stampName(row.stamp, row.node_id), String(stamps[index] ?? 0n)]));
  const digests = await renameChanges(tx, env, tenant, changes, (stamp, node) => renamed.get(stampName(stamp, node)) ?? null);
  let previousHash = rows[0]?.previous_hash ?? firstPreviousHash();
  return rows.map((row, index) => {
    const stamp = stamps[index] ?? 0n;
    const header: Omit<Commit, "changes" | "hash" | "tier"> = {
      tenant,
      origin: row.origin,
      seq: row.seq,
      stamp,
      node: row.node_id,
      author: row.author,
      catalogVersion: row.catalog_version,
      previousHash,
    };
    const hash = commitHashOf(header, digests.get(row.txn) ?? [], env.sha256);
    const result = { row, stamp, previousHash, hash };
    previousHash = hash;
    return result;
  });
}

const stampName = (stamp: string, node: string): string => `${stamp} ${node}`;

interface RestampFrom {
  /** New stamps are greater. */
  readonly start: bigint;
  readonly nowMs: number;
  /** What is beyond it is from the future. */
  readonly limit: bigint;
  /** Whose part of the counter they are in. */
  readonly copy: number;
}

/**
 * Each later than the one before, and later than every foreign value that its commit had seen and replaced. A foreign value from the
 * future gets a stamp of its own time from whoever learns of it; until then ours cannot be later.
 */
function newStamps(rows: readonly CommitRow[], changes: readonly PlacedChange[], from: RestampFrom): readonly bigint[] {
  const old = new Set(rows.map((row) => stampName(row.stamp, row.node_id)));
  const byTxn = new Map<number, Change[]>();
  for (const { row, change } of changes) byTxn.set(row.txn, [...(byTxn.get(row.txn) ?? []), change]);
  let clock = startClock(from.start);
  return rows.map((row) => {
    const own = byTxn.get(row.txn) ?? [];
    const cells = latestSeen(own, (stamp, node) => BigInt(stamp) > from.limit || old.has(stampName(stamp, node)));
    // What was seen of the columns that merge operations is said with these, and of others' writes only.
    const ops = latestOpsSeen(own, (stamp) => BigInt(stamp) > from.limit);
    const seen = cells > ops ? cells : ops;
    const ticked = tickClock(seen > clock.last ? startClock(seen) : clock, from.nowMs, from.copy);
    clock = ticked.clock;
    return ticked.stamp;
  });
}

async function storeCommits(tx: SqlSession, tenant: string, restamped: readonly Restamped[]): Promise<void> {
  await tx.query(
    `update hayloft.commit as c set stamp = incoming.stamp, previous_hash = incoming.previous_hash, hash = incoming.hash
    from unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[]) as incoming (position, stamp, previous_hash, hash)
    where c.tenant_id = $1 and c.position = incoming.position`,
    [
      tenant,
      restamped.map(({ row }) => row.position),
      restamped.map(({ stamp }) => stamp),
      restamped.map(({ previousHash }) => hex(previousHash)),
      restamped.map(({ hash }) => hex(hash)),
    ],
  );
  const last = restamped.at(-1);
  if (last === undefined) return;
  await tx.query(`update hayloft.head set stamp = $2::bigint, hash = $3::bytea where tenant_id = $1`, [
    tenant,
    last.stamp,
    hex(last.hash),
  ]);
}

/** Replaces the old stamps in the documents of the rows that the commits touched. */
async function correctRowStates(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  restamped: readonly Restamped[],
): Promise<void> {
  const versions = new Map(restamped.map(({ row }) => [row.txn, row.catalog_version]));
  const { rows } = await tx.query<ChangeRow>(
    `select txn, table_name, op, columns, row_count, body from hayloft.change where tenant_id = $1 and txn = any($2::bigint[]) and op <> 'evict'`,
    [tenant, restamped.map(({ row }) => row.txn)],
  );
  const touched = new Map<string, Set<string>>();
  for (const row of rows) {
    for (const change of liftRow(env, { ...row, catalog_version: versions.get(row.txn) ?? env.lens.version })) {
      const plan = env.plans.get(change.table);
      if (plan?.merges !== true) continue;
      const keys = touched.get(change.table) ?? new Set<string>();
      touched.set(change.table, keys);
      for (const key of rowKeys(change, plan)) keys.add(key);
    }
  }
  const renamed = new Map(
    restamped.map(({ row, stamp }) => [`"${row.stamp}", "${row.node_id}"`, `"${String(stamp)}", "${row.node_id}"`]),
  );
  for (const [table, keys] of touched) await renameStamps(tx, tenant, table, [...keys], renamed);
}

/** The operations in a row's memories name their commits by stamp and node, as columns do. */
function renameMemories(memories: unknown, rename: (value: unknown) => unknown): unknown {
  const columns = Object.entries(membersOf(memories as Json)).map(([column, memory]) => {
    const members = membersOf(memory);
    return [column, members["ops"] === undefined ? memory : { ...members, ops: itemsOf(members["ops"]).map(rename) }] as const;
  });
  return Object.fromEntries(columns);
}

/** What a delete of ours had seen of ourselves is the delete itself. */
function renameSeen(seen: unknown, rename: (value: unknown) => unknown): unknown {
  const nodes = Object.entries(membersOf(seen as Json)).map(([node, stamp]) => {
    const [renamed] = rename([stamp, node]) as readonly unknown[];
    return [node, renamed] as const;
  });
  return Object.fromEntries(nodes);
}

async function renameStamps(
  tx: SqlSession,
  tenant: string,
  table: string,
  keys: readonly string[],
  renamed: ReadonlyMap<string, string>,
): Promise<void> {
  const { rows } = await tx.query<{ row_key: string; stamps: Readonly<Record<string, unknown>> }>(
    `select row_key, stamps from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = any($3::text[])`,
    [tenant, table, keys],
  );
  const rename = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value;
    const [stamp, node, ...more] = value as readonly unknown[];
    const name = renamed.get(`"${String(stamp)}", "${String(node)}"`);
    return name === undefined ? value : [...(JSON.parse(`[${name}]`) as unknown[]), ...more];
  };
  const renameIn = (name: string, value: unknown): unknown => {
    if (name === GONE_FIELD) return renameSeen(value, rename);
    return name === MEMORY_FIELD ? renameMemories(value, rename) : rename(value);
  };
  const documents = rows.map(({ stamps }) =>
    JSON.stringify(Object.fromEntries(Object.entries(stamps).map(([name, value]) => [name, renameIn(name, value)]))),
  );
  await tx.query(
    `update hayloft.row_state as s set stamps = incoming.stamps from unnest($3::text[], $4::jsonb[]) as incoming (row_key, stamps)
    where s.tenant_id = $1 and s.table_name = $2 and s.row_key = incoming.row_key`,
    [tenant, table, rows.map((row) => row.row_key), documents],
  );
}
