import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { deleteSql, insertSql, keyVectors, selectByKeySql, type TextRow, updateSql, upsertClause } from "../apply/table-sql.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { valueAfter } from "../merge/memory/memory-rule.ts";
import { OPS_COLUMN, opsFault, opsWithout, readOps } from "../merge/memory/row-ops.ts";
import { CHANGED_COLUMN, columnOf, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { placeName } from "./dependence.ts";
import { rowsHere } from "./rows-here.ts";

/**
 * Writes changes as plain statements of this replica, so that they are captured, guarded and sealed like any other write: an insert
 * replaces a row that is there, an update sets the columns that it changed and makes the row when it is missing. What was done to a
 * column that merges operations is done again, to the value that it has now; a value that a person corrected is written as it is
 * (`withoutCorrectedOps`).
 */
export async function writeAgain(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  changes: readonly Change[],
): Promise<void> {
  for (const change of changes) {
    const plan = env.plans.get(change.table);
    if (plan === undefined) throw new HayloftError("refused-schema", { table: change.table });
    if (change.op === "evict" || change.rowCount === 0) continue;
    if (columnOf(change, plan.tenantColumn)?.every((value) => value === tenant) !== true)
      throw new HayloftError("refused-scope", { tenant, table: change.table });
    await writeChange(tx, env, tenant, plan, change);
  }
}

async function writeChange(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  plan: RowPlan,
  change: Change,
): Promise<void> {
  if (change.op === "delete") {
    await tx.query(deleteSql(plan), keyVectors(plan, tenant, rowKeys(change, plan)));
    return;
  }
  const columns = change.columns.filter((column) => !column.startsWith("$"));
  for (const rule of plan.memory.values()) await rule.prepare?.();
  const here = await rowsHere(
    tx,
    env,
    tenant,
    rowKeys(change, plan).map((key) => placeName({ table: change.table, key })),
  );
  for (const [row, key] of rowKeys(change, plan).entries()) {
    const values = (wanted: readonly string[]): CellText[][] => wanted.map((column) => [columnOf(change, column)?.[row] ?? null]);
    if (!here.has(placeName({ table: change.table, key }))) {
      await tx.query(insertSql(plan, columns, upsertClause(plan, [])), values(columns));
      continue;
    }
    const changed = columnOf(change, CHANGED_COLUMN)?.[row]?.split(",");
    const set = columns.filter(
      (column) => plan.cellColumns.includes(column) && (changed === undefined || changed.includes(column)),
    );
    if (set.length === 0) continue;
    const wanted = [...plan.table.primaryKey, ...set];
    const again = await valuesDoneAgain(tx, plan, tenant, key, columnOf(change, OPS_COLUMN)?.[row] ?? null);
    await tx.query(
      updateSql(plan, wanted),
      values(wanted).map((vector, place) => (again.has(wanted[place] ?? "") ? [again.get(wanted[place] ?? "") ?? null] : vector)),
    );
  }
}

/** Per column with an operation the value that it makes of the present one. */
async function valuesDoneAgain(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  key: string,
  text: CellText,
): Promise<ReadonlyMap<string, CellText>> {
  // What was refused may be anything.
  const ops = text === null || opsFault(text, plan) !== null ? [] : [...readOps(text).ops];
  const columns = ops.map(([column]) => column);
  const again = new Map<string, CellText>();
  if (ops.length === 0) return again;
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, columns, true), keyVectors(plan, tenant, [key]));
  for (const [column, op] of ops) {
    const rule = plan.memory.get(column);
    if (rule !== undefined) again.set(column, valueAfter(rule, rows[0]?.[column] ?? null, op));
  }
  return again;
}

/** The corrected changes without the operations of cells that were corrected: there the person says what the value is. */
export function withoutCorrectedOps(
  env: ReplicaEnvironment,
  before: readonly Change[],
  corrected: readonly Change[],
): readonly Change[] {
  const known = new Set(before.flatMap((change) => cellsOf(env, change).map(({ cell }) => cell)));
  return corrected.map((change) => {
    const place = change.columns.indexOf(OPS_COLUMN);
    if (place < 0) return change;
    const gone = new Map<number, Set<string>>();
    for (const { row, column, cell } of cellsOf(env, change))
      if (!known.has(cell)) gone.set(row, (gone.get(row) ?? new Set<string>()).add(column));
    const plan = env.plans.get(change.table);
    const kept = (change.values[place] ?? []).map((text, row) =>
      text === null || plan === undefined || opsFault(text, plan) !== null ? null : opsWithout(text, gone.get(row) ?? new Set()),
    );
    return { ...change, values: change.values.map((vector, index) => (index === place ? kept : vector)) };
  });
}

/** Every cell with memory of a change, named by row, column and value. */
function cellsOf(
  env: ReplicaEnvironment,
  change: Change,
): readonly { readonly row: number; readonly column: string; readonly cell: string }[] {
  const plan = env.plans.get(change.table);
  if (plan === undefined) return [];
  const keys = rowKeys(change, plan);
  return change.columns.flatMap((column, place) =>
    plan.memory.has(column)
      ? keys.map((key, row) => ({ row, column, cell: JSON.stringify([change.table, key, column, change.values[place]?.[row]]) }))
      : [],
  );
}
