import type { Column } from "../catalog/column.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { sqlName } from "../sql/sql-name.ts";

/** Arguments that one call takes; Postgres takes 100. */
const ARGUMENTS_MAX = 90;
const BETWEEN = String.raw`E'\x1f\x1e'`;

/**
 * The canonical text of some columns of a row, in the order given: their values joined by U+001F U+001E, every U+001F in a value doubled, and U+001F and the
 * digit 0 for null. So no two rows have one text. It is made from the values' output, which costs a third less than an array of texts.
 */
export function columnsTextSql(columns: readonly string[], declared: Readonly<Record<string, Column>>, alias: string): string {
  const values = columns.map((column) => valueTextSql(`${alias}.${sqlName(column)}`, declared[column]));
  const joined: string[] = [];
  for (let from = 0; from < values.length; from += ARGUMENTS_MAX)
    joined.push(`concat_ws(${BETWEEN}, ${values.slice(from, from + ARGUMENTS_MAX).join(", ")})`);
  return joined.length === 1 ? joined.join("") : `concat_ws(${BETWEEN}, ${joined.join(", ")})`;
}

/** The same of all values that replicate, by the columns' names. */
export const rowTextSql = (plan: RowPlan, alias: string): string =>
  columnsTextSql(plan.columns.toSorted(), plan.table.columns, alias);

/** Only texts can hold the sign between two values, and only of a boolean is the output another one than the text. */
function valueTextSql(value: string, column: Column | undefined): string {
  const kind = column?.type.kind ?? "text";
  const plain = kind === "text" ? String.raw`replace(${value}::text, E'\x1f', E'\x1f\x1f')` : value;
  if (column?.isNullable === false) return kind === "boolean" ? `${value}::text` : plain;
  return String.raw`coalesce(${kind === "text" ? plain : `${value}::text`}, E'\x1f0')`;
}
