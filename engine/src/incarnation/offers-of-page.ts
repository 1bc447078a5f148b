import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { readRows } from "../apply/row-store.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { touchedRows, walkChanges } from "../log/walk-changes.ts";
import { rowKeys, rowValues } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { hasEqualStamps, readRowState } from "../merge/row-state.ts";
import type { SnapshotChunk } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Rows of a plain table that a parent which was set back has otherwise than we do: what it has is older, because we had more of its
 * log. Those that we do not have are among them when the log says that the parent had deleted them.
 */
export async function newerHere(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  peer: string,
  { tenant, change }: SnapshotChunk,
): Promise<readonly string[]> {
  const keys = rowKeys(change, plan);
  if (keys.length === 0 || plan.table.rule.kind === "appendOnly") return [];
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, false), keyVectors(plan, tenant, keys));
  const here = new Map(rows.map((row) => [rowKeyOf(plan, row), row]));
  const absent = keys.filter((key) => !here.has(key));
  const deleted = absent.length > 0 ? await deletedByParent(tx, env, plan, { tenant, peer, keys: absent }) : new Set<string>();
  return keys.filter((key, index) => {
    const row = here.get(key);
    if (row === undefined) return deleted.has(key);
    return [...rowValues(change, index)].some(([column, value]) => row[column] !== undefined && row[column] !== value);
  });
}

async function deletedByParent(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, peer, keys }: { readonly tenant: string; readonly peer: string; readonly keys: readonly string[] },
): Promise<ReadonlySet<string>> {
  const filter = { where: "c.via = $5::uuid and ch.op = 'delete'", parameters: [peer], keys };
  return new Set((await touchedRows(walkChanges(tx, env, tenant, plan, filter), plan)).keys());
}

/** Rows of a merged table of which we know more than the page says, after it was joined with them. */
export async function richerHere(
  tx: SqlSession,
  plan: RowPlan,
  { tenant, change, stamps }: SnapshotChunk,
): Promise<readonly string[]> {
  const keys = rowKeys(change, plan);
  if (keys.length === 0) return [];
  const here = await readRows(tx, plan, tenant, keys, false);
  return keys.filter((key, index) => {
    const values = change.op === "delete" ? null : rowValues(change, index);
    const theirs = readRowState(values, stamps?.[index] ?? null, plan);
    const row = here.get(key);
    return row !== undefined && !hasEqualStamps(theirs, row.state);
  });
}
