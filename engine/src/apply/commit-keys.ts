import type { Change, Commit } from "../commit/commit.ts";
import { rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";

/** The rows that changes touch: per table their row keys. Changes of unknown tables are left out. */
export function touchedKeys(
  changes: readonly Change[],
  plans: ReadonlyMap<string, RowPlan>,
): ReadonlyMap<RowPlan, ReadonlySet<string>> {
  const touched = new Map<RowPlan, Set<string>>();
  for (const change of changes) {
    const plan = plans.get(change.table);
    if (plan === undefined || change.op === "evict") continue;
    const keys = touched.get(plan) ?? new Set<string>();
    touched.set(plan, keys);
    for (const key of rowKeys(change, plan)) keys.add(key);
  }
  return touched;
}

/** A name of a commit that tells it from every other. */
export const commitName = (commit: Pick<Commit, "origin" | "seq">): string => `${commit.origin} ${String(commit.seq)}`;
