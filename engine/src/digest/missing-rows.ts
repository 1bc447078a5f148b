import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { takenSql, walkChanges } from "../log/walk-changes.ts";
import { columnOf, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import type { KeptRows } from "./comparison.ts";

/** Rows that are looked up at a time, and rows that are found at most. */
const ASKED_AT_ONCE = 4_096;
const MISSING_MAX = 1_024;

/**
 * Rows of a table that only goes up which our log has and the table has not, within what we keep: nothing but that log tells that
 * they were here, as the parent may have rows of others as well.
 */
export async function missingRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tier: string,
  { tenant, kept }: { readonly tenant: string; readonly kept: KeptRows },
): Promise<readonly string[]> {
  const missing = new Set<string>();
  const asked = new Set<string>();
  const lookUp = async (): Promise<void> => {
    for (const key of await absent(tx, plan, tenant, [...asked])) missing.add(key);
    asked.clear();
  };
  for await (const { change } of walkChanges(tx, env, tenant, plan, { where: takenSql("c"), parameters: [] })) {
    const isKept = keptTest(plan, tier, kept, (column) => columnOf(change, column));
    for (const [row, key] of rowKeys(change, plan).entries()) {
      missing.delete(key);
      if (change.op === "delete") asked.delete(key);
      else if (isKept(row)) asked.add(key);
    }
    if (asked.size >= ASKED_AT_ONCE) await lookUp();
    if (missing.size >= MISSING_MAX) break;
  }
  await lookUp();
  return [...missing].slice(0, MISSING_MAX);
}

function keptTest(
  plan: RowPlan,
  tier: string,
  kept: KeptRows,
  vectorOf: (column: string) => readonly (string | null)[] | undefined,
): (row: number) => boolean {
  const retention = plan.table.retain[tier];
  if (kept === null || retention === undefined || retention.kind === "forever") return () => true;
  const vector = vectorOf(retention.column);
  if ("values" in kept) {
    const values = new Set(kept.values);
    return (row) => values.has(vector?.[row] ?? "");
  }
  const fromMs = Date.parse(kept.from);
  return (row) => Date.parse(vector?.[row] ?? "") >= fromMs;
}

async function absent(tx: SqlSession, plan: RowPlan, tenant: string, keys: readonly string[]): Promise<readonly string[]> {
  if (keys.length === 0) return [];
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.table.primaryKey, false), keyVectors(plan, tenant, keys));
  const here = new Set(rows.map((row) => rowKeyOf(plan, row)));
  return keys.filter((key) => !here.has(key));
}
