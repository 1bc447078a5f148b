import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { movingColumns } from "../catalog/table-facts.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { CHANGED_COLUMN, columnOf, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * True when a row to which others refer moves into the scope of this replica with these commits from its parent: the rows that
 * refer to it were hidden until now and are in no commit, so that they have to be filled. Asks the database only about rows
 * whose scope has changed.
 */
export async function bringsRowsIn(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
): Promise<boolean> {
  const moved = new Map<RowPlan, Set<string>>();
  for (const change of commits.flatMap((commit) => commit.changes)) {
    const plan = env.plans.get(change.table);
    if (plan === undefined || change.op !== "update" || !env.referenced.has(change.table)) continue;
    const keys = movedKeys(change, plan);
    if (keys.length === 0) continue;
    const known = moved.get(plan) ?? new Set();
    moved.set(plan, known);
    keys.forEach((key) => known.add(key));
  }
  for (const [plan, keys] of moved) {
    const sql = selectByKeySql(plan, plan.table.primaryKey, false);
    const { rows } = await tx.query<TextRow>(sql, keyVectors(plan, tenant, [...keys]));
    const there = new Set(rows.map((row) => rowKeyOf(plan, row)));
    if ([...keys].some((key) => !there.has(key))) return true;
  }
  return false;
}

/** Keys of the rows of an update whose scope changed. */
function movedKeys(change: Change, plan: RowPlan): readonly string[] {
  const scope = new Set(movingColumns(plan.table));
  if (scope.size === 0) return [];
  const changed = columnOf(change, CHANGED_COLUMN) ?? [];
  return rowKeys(change, plan).filter((_, row) => (changed[row] ?? "").split(",").some((name) => scope.has(name)));
}
