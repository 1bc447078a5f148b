import type { Change, Commit } from "../commit/commit.ts";
import { OPS_COLUMN, readOps } from "../merge/memory/row-ops.ts";
import { CHANGED_COLUMN, columnOf, rowValues } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { NaiveWrite } from "./naive-row.ts";

/** What a change of one row says that its author did, for `naiveRow`: its values, its operations, and whose work he had seen. */
export function travelledWrite(plan: RowPlan, change: Change, { stamp, node, tier }: Commit): NaiveWrite {
  if (change.op === "evict") throw new TypeError("an eviction is no statement");
  const text = columnOf(change, OPS_COLUMN)?.[0] ?? null;
  const { at, seen, ops } = text === null ? { at: 1, seen: new Map<string, bigint>(), ops: new Map() } : readOps(text);
  const changed = columnOf(change, CHANGED_COLUMN)?.[0]?.split(",");
  const wrote = (column: string): boolean =>
    plan.cellColumns.includes(column) && !plan.memory.has(column) && changed?.includes(column) !== false;
  const cells = new Map(change.op === "delete" ? [] : [...rowValues(change, 0)].filter(([column]) => wrote(column)));
  const knew = (other: NaiveWrite): boolean =>
    other.node === node
      ? other.stamp < stamp || (other.stamp === stamp && other.at < at)
      : (seen.get(other.node) ?? 0n) >= other.stamp;
  return { kind: change.op, stamp, node, tier, at, cells, ops, knew };
}
