import { beginApplying, replicaEnvironment, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { touchedKeys } from "../apply/commit-keys.ts";
import { readTruth } from "../apply/read-truth.ts";
import { readRows, writeRows } from "../apply/row-store.ts";
import { STAMP_MAX } from "../clock/hybrid-clock.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { firstPreviousHash } from "../commit/commit-hash.ts";
import type { Change } from "../commit/commit.ts";
import { sha256 } from "../commit/sha256.ts";
import { newId } from "../identity/new-id.ts";
import { compactMemory, memoryRegister, type MemoryRule } from "../merge/memory/memory-rule.ts";
import { dominates, joinSeen, type MemoryEntry, NOTHING_SEEN, type Seen, seenOf } from "../merge/memory/memory.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { RowState } from "../merge/row-state.ts";
import type { Register } from "../merge/register.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { keepForeign } from "./keep-foreign.ts";

export interface CompactOptions {
  readonly nowMs: number;
  /** Operations stay by themselves at least that long, so that a late edit meets the text as its writer saw it. */
  readonly olderThanMs: number;
  /** A cell with more operations is folded earlier: a late edit then finds its place by its surroundings. Default 1,000. */
  readonly operationsMax?: number;
}

const OPERATIONS_MAX = 1_000;
/** Rows of one table in one transaction. */
const ROWS_MAX = 200;

/**
 * Folds the operations that cells remember and that every living child has acknowledged into their bases, and sends the rows down, so that
 * every replica folds the same. For the top alone, after `pruneLog`. Returns how many rows were folded; rows that a held commit
 * touches are left as they are, or what it holds could not be taken in any more.
 */
export async function compactMemories(database: Database, catalog: Catalog, options: CompactOptions): Promise<number> {
  const { rows } = await database.query<{ tenant_id: string; node_id: string; tier: string }>(
    `select h.tenant_id, r.node_id::text as node_id, r.tier from hayloft.head h, hayloft.replica r order by h.tenant_id`,
  );
  let count = 0;
  for (const { tenant_id: tenant, node_id: nodeId, tier } of rows) {
    const env = replicaEnvironment({ catalog, nodeId, tier, hasParent: false, projections: {}, sha256, clockAheadMsMax: 0 });
    for (const plan of env.plans.values()) {
      if (plan.memory.size > 0) count += await compactTable(database, env, tenant, plan, options);
    }
  }
  return count;
}

async function compactTable(
  database: Database,
  env: ReplicaEnvironment,
  tenant: string,
  plan: RowPlan,
  options: CompactOptions,
): Promise<number> {
  let count = 0;
  for (let after = ""; ;) {
    const done = await database.transaction(async (tx) => {
      await beginApplying(tx);
      return await compactRows(tx, env, tenant, plan, { ...options, after });
    });
    count += done.count;
    if (done.last === null) return count;
    after = done.last;
  }
}

/** `last` is the key at which the next call goes on; null at the end of the table. */
async function compactRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  plan: RowPlan,
  options: CompactOptions & { readonly after: string },
): Promise<{ readonly count: number; readonly last: string | null }> {
  const operationsMax = options.operationsMax ?? OPERATIONS_MAX;
  const horizon = await acknowledgedStamp(tx, tenant, options.nowMs - options.olderThanMs);
  const keys = await keysToFold(tx, tenant, plan, { ...options, operationsMax, horizon });
  const last = keys.length < ROWS_MAX ? null : (keys.at(-1) ?? null);
  const held = await heldKeys(tx, env, tenant, plan);
  const free = keys.filter((key) => !held.has(key));
  if (free.length === 0) return { count: 0, last };
  const before = await readRows(tx, plan, tenant, free, true);
  const after = new Map<string, RowState>();
  for (const [key, { state, exists }] of before) {
    const folded = exists ? foldedState(plan, state, horizon, operationsMax) : null;
    if (folded !== null) after.set(key, folded);
  }
  if (after.size === 0) return { count: 0, last };
  await writeRows(tx, plan, tenant, before, after);
  await sendDown(tx, env, tenant, await readTruth(tx, plan, tenant, [...after.keys()], null));
  return { count: after.size, last };
}

/** Everything with a smaller stamp is older than the moment, and acknowledged by all children that were lately here. */
async function acknowledgedStamp(tx: SqlSession, tenant: string, beforeMs: number): Promise<bigint> {
  const { rows } = await tx.query<{ stamp: string }>(
    `select least($2::bigint, min(c.stamp))::text as stamp from hayloft.commit c where c.tenant_id = $1`,
    [tenant, BigInt(Math.max(0, Math.floor(beforeMs))) << 16n],
  );
  return BigInt(rows[0]?.stamp ?? "0");
}

async function keysToFold(
  tx: SqlSession,
  tenant: string,
  plan: RowPlan,
  options: { readonly after: string; readonly horizon: bigint; readonly operationsMax: number },
): Promise<readonly string[]> {
  const { rows } = await tx.query<{ key: string }>(
    `select s.row_key as key from hayloft.row_state s
    where s.tenant_id = $1 and s.table_name = $2 and s.row_key > $3 and exists (
      select from jsonb_each(s.stamps -> '$memory') as memory (name, value)
      where jsonb_array_length(value -> 'ops') > $5
        or exists (select from jsonb_array_elements(value -> 'ops') as op (item) where (item ->> 0)::bigint < $4::bigint))
    order by s.row_key limit $6`,
    [tenant, plan.table.name, options.after, options.horizon, options.operationsMax, ROWS_MAX],
  );
  return rows.map(({ key }) => key);
}

async function heldKeys(tx: SqlSession, env: ReplicaEnvironment, tenant: string, plan: RowPlan): Promise<ReadonlySet<string>> {
  const held = await listQuarantine(tx, tenant, { limit: null });
  return new Set(held.flatMap(({ commit }) => [...(touchedKeys(commit.changes, env.plans).get(plan) ?? [])]));
}

/** The row with folded memories, or null when there is nothing to fold. */
function foldedState(plan: RowPlan, state: RowState, horizon: bigint, operationsMax: number): RowState | null {
  const cells = new Map<string, Register>(state.cells);
  const here = seenInRow(plan, state);
  let changed = false;
  for (const [column, rule] of plan.memory) {
    const register = cells.get(column);
    if (register?.memory === undefined) continue;
    const limit = foldLimit(rule, register, horizon, operationsMax);
    const settled = settledStamp(here, register.memory.entries);
    const folded = compactMemory(rule, register.memory, limit < settled ? limit : settled);
    if (folded === register.memory) continue;
    cells.set(column, memoryRegister(rule, folded, register));
    changed = true;
  }
  return changed ? { ...state, cells } : null;
}

/** What the row has seen of each node, in all of its columns. */
const seenInRow = (plan: RowPlan, { cells }: RowState): Seen =>
  [...plan.memory.keys()].reduce((seen, column) => {
    const memory = cells.get(column)?.memory;
    return memory === undefined ? seen : joinSeen(seen, seenOf(memory));
  }, NOTHING_SEEN);

/**
 * The stamp of the first operation whose writer had seen one that is not here yet, because it went another way. A base that held the
 * one would say that it has settled the other, too.
 */
function settledStamp(here: Seen, entries: readonly MemoryEntry[]): bigint {
  const open = entries.find(({ seen }) => !dominates(here, seen));
  return open?.stamp ?? STAMP_MAX;
}

/** Up to which stamp a cell is folded: the horizon, or less where the rule wants to keep what belongs together. */
function foldLimit(rule: MemoryRule, { memory }: Register, horizon: bigint, operationsMax: number): bigint {
  const entries = memory?.entries ?? [];
  const tooMany = entries.length > operationsMax ? entries[Math.ceil(entries.length - operationsMax / 2)] : undefined;
  if (tooMany !== undefined && tooMany.stamp > horizon) return tooMany.stamp;
  return rule.foldLimit?.(entries, horizon) ?? horizon;
}

/** The rows as a commit of its own origin, as an answer to a refused commit is: children join them to what they have. */
async function sendDown(tx: SqlSession, env: ReplicaEnvironment, tenant: string, changes: readonly Change[]): Promise<void> {
  const { rows } = await tx.query<{ stamp: string }>(`select stamp::text as stamp from hayloft.lock_head($1)`, [tenant]);
  const commit = {
    tenant,
    origin: newId(),
    seq: 1,
    stamp: BigInt(rows[0]?.stamp ?? "0"),
    node: env.nodeId,
    tier: env.tier,
    author: null,
    catalogVersion: env.catalog.version,
    previousHash: firstPreviousHash(),
    hash: firstPreviousHash(),
    changes,
  };
  await keepForeign(tx, env, { peer: env.nodeId, from: "parent", tenant }, [commit]);
}
