import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { forgetLosses } from "../journal/record-losses.ts";
import { deleteSql, keyVectors, rowKeyOf, selectByKeySql, selectReferringSql, type TextRow } from "../apply/table-sql.ts";
import type { Commit } from "../commit/commit.ts";
import { unacknowledgedKeys } from "../log/unacknowledged.ts";
import { rowKeys } from "../merge/row-change.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { type EvictionCause, noteEviction } from "./eviction-receipt.ts";

type RowsByTable = ReadonlyMap<RowPlan, readonly string[]>;

/**
 * After the evictions of these commits: deletes the rows that refer to a row that is gone, at any distance, and notes what went.
 * A row that we changed and the parent has not acknowledged stays, so that the foreign key refuses the eviction; it is tried
 * again when the parent has that work.
 */
export async function evictDependents(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
): Promise<void> {
  const evicted = new Map<RowPlan, Set<string>>();
  for (const change of commits.flatMap((commit) => commit.changes)) {
    const plan = env.plans.get(change.table);
    if (change.op !== "evict" || plan === undefined) continue;
    const keys = evicted.get(plan) ?? new Set();
    evicted.set(plan, keys);
    rowKeys(change, plan).forEach((key) => keys.add(key));
  }
  if (evicted.size === 0) return;
  const gone = new Map<RowPlan, readonly string[]>();
  for (const [plan, keys] of evicted) gone.set(plan, await absentKeys(tx, plan, tenant, [...keys]));
  await noteEvictions(tx, tenant, "moved", gone);
  await deleteReferring(tx, env, tenant, gone, "moved");
}

/** Deletes every row that refers to one of the given rows, at any distance, but for work that is not acknowledged. */
export async function deleteReferring(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  rows: RowsByTable,
  cause: EvictionCause,
): Promise<void> {
  for (let gone = rows; gone.size > 0;) {
    const next = new Map<RowPlan, Set<string>>();
    for (const [plan, keys] of await referringKeys(tx, env, tenant, gone)) {
      const own = await unsentKeys(tx, env, tenant, plan);
      const free = [...keys].filter((key) => !own.has(key));
      if (free.length > 0) next.set(plan, new Set(free));
    }
    const deleted = new Map([...next].map(([plan, keys]) => [plan, [...keys]] as const));
    for (const [plan, keys] of deleted) await deleteRows(tx, plan, tenant, keys);
    await noteEvictions(tx, tenant, cause, deleted);
    gone = deleted;
  }
}

/** Deletes rows and what the engine keeps of them, leaving no tombstones. */
export async function deleteRows(tx: SqlSession, plan: RowPlan, tenant: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.query(deleteSql(plan), keyVectors(plan, tenant, keys));
  await forgetLosses(tx, tenant, plan.table.name, keys);
  if (!plan.merges) return;
  await tx.query(`delete from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = any($3::text[])`, [
    tenant,
    plan.table.name,
    keys,
  ]);
}

/** Row keys that commits changed which our parent has not acknowledged; all such commits when we never had a parent. */
export async function unsentKeys(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  plan: RowPlan,
): Promise<ReadonlySet<string>> {
  const { rows } = await tx.query<{ node: string; position: number }>(
    `select p.node_id as node, case when p.acked_incarnation = h.incarnation then coalesce(p.acked_position, 0) else 0 end as position
    from hayloft.peer p join hayloft.head h on h.tenant_id = p.tenant_id
    where p.tenant_id = $1 and p.relation = 'parent' order by p.last_contact_at desc nulls last limit 1`,
    [tenant],
  );
  const [parent] = rows;
  if (parent === undefined) return new Set();
  return await unacknowledgedKeys(tx, env, { tenant, peer: parent.node, position: parent.position }, plan);
}

/** Of the given rows those to which others refer. */
export async function referredKeys(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  target: RowPlan,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const table of env.catalog.tables) {
    for (const { columns } of table.references.filter((reference) => reference.table === target.table.name)) {
      const sql = selectReferringSql(rowPlan(table), columns, target, true);
      const { rows } = await tx.query<TextRow>(sql, keyVectors(target, tenant, keys));
      for (const row of rows) found.add(rowKeyOf(target, row));
    }
  }
  return found;
}

async function referringKeys(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  gone: RowsByTable,
): Promise<ReadonlyMap<RowPlan, ReadonlySet<string>>> {
  const found = new Map<RowPlan, Set<string>>();
  for (const table of env.catalog.tables) {
    const plan = rowPlan(table);
    for (const reference of table.references) {
      const target = env.plans.get(reference.table);
      const keys = target === undefined ? undefined : gone.get(target);
      if (target === undefined || keys === undefined || keys.length === 0) continue;
      const { rows } = await tx.query<TextRow>(
        selectReferringSql(plan, reference.columns, target),
        keyVectors(target, tenant, keys),
      );
      const known = found.get(plan) ?? new Set();
      for (const row of rows) known.add(rowKeyOf(plan, row));
      if (known.size > 0) found.set(plan, known);
    }
  }
  return found;
}

async function absentKeys(tx: SqlSession, plan: RowPlan, tenant: string, keys: readonly string[]): Promise<readonly string[]> {
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.table.primaryKey, false), keyVectors(plan, tenant, keys));
  const there = new Set(rows.map((row) => rowKeyOf(plan, row)));
  return keys.filter((key) => !there.has(key));
}

async function noteEvictions(tx: SqlSession, tenant: string, cause: EvictionCause, rows: RowsByTable): Promise<void> {
  for (const [plan, keys] of rows) await noteEviction(tx, { tenant, cause, table: plan.table.name, count: keys.length, keys });
}
