import { keyParts } from "../apply/row-store.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import type { Change } from "../commit/commit.ts";
import type { Loser } from "../merge/row-losses.ts";
import { rowKeys, rowValues, takenBack } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * What the authority's rows are about to take back in a table without stamps: the values that differ, or one `$row` with all
 * values of a row that goes, or a `$deleted` for a row that comes back.
 */
export async function plainTakenBack(tx: SqlSession, plan: RowPlan, tenant: string, truth: Change): Promise<readonly Loser[]> {
  const keys = rowKeys(truth, plan);
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, false), keyVectors(plan, tenant, keys));
  const here = new Map(rows.map((row) => [rowKeyOf(plan, row), row]));
  return keys.flatMap((key, row) => rowTakenBack(plan, key, here.get(key), truth, row));
}

function rowTakenBack(plan: RowPlan, key: string, here: TextRow | undefined, truth: Change, row: number): readonly Loser[] {
  const refused = takenBack(truth, row);
  if (refused === null) return [];
  const authority = { stamp: 0n, node: "" };
  const base = { table: plan.table.name, key: keyParts(key), rule: "refused", lost: "existing" } as const;
  if (here === undefined) {
    if (truth.op === "delete") return [];
    return [{ ...base, column: "$deleted", winner: { ...authority, value: null }, loser: { ...refused, value: null } }];
  }
  if (truth.op === "delete") {
    const value = JSON.stringify(Object.fromEntries(plan.cellColumns.map((column) => [column, here[column] ?? null])));
    return [{ ...base, column: "$row", winner: { ...authority, value: null }, loser: { ...refused, value } }];
  }
  const values = rowValues(truth, row);
  return plan.cellColumns.flatMap((column): readonly Loser[] => {
    const [mine, theirs] = [here[column] ?? null, values.get(column)];
    if (theirs === undefined || theirs === mine) return [];
    return [{ ...base, column, winner: { ...authority, value: theirs }, loser: { ...refused, value: mine } }];
  });
}
