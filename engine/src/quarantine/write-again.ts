import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { deleteSql, insertSql, keyVectors, updateSql, upsertClause } from "../apply/table-sql.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { CHANGED_COLUMN, columnOf, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { placeName } from "./dependence.ts";
import { rowsHere } from "./rows-here.ts";

/**
 * Writes changes as plain statements of this replica, so that they are captured, guarded and sealed like any other write: an insert
 * replaces a row that is there, an update sets the columns that it changed and makes the row when it is missing.
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
    await tx.query(updateSql(plan, wanted), values(wanted));
  }
}
