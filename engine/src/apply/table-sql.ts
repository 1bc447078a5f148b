import type { SqlType } from "../catalog/column.ts";
import type { CellText } from "../commit/commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { sqlName, sqlNames } from "../sql/sql-name.ts";

const typeNames: Readonly<Record<SqlType["kind"], string>> = {
  uuid: "uuid",
  text: "text",
  integer: "integer",
  bigint: "bigint",
  double: "double precision",
  boolean: "boolean",
  date: "date",
  timestamptz: "timestamptz",
  jsonb: "jsonb",
  numeric: "numeric",
};

export const sqlTypeOf = (plan: RowPlan, column: string): string => typeNames[plan.table.columns[column]?.type.kind ?? "text"];

/** `$n::type[]` for each column, from parameter `first` on: one array per column, so that no width meets a parameter limit. */
const arrayParameters = (plan: RowPlan, columns: readonly string[], first: number): string =>
  columns.map((column, index) => `$${String(first + index)}::${sqlTypeOf(plan, column)}[]`).join(", ");

/** `table.column = alias.column and …` over the primary key. */
const keyEquality = (plan: RowPlan, left: string, right: string): string =>
  plan.table.primaryKey.map((column) => `${left}.${sqlName(column)} = ${right}.${sqlName(column)}`).join(" and ");

/** Inserts vectors; `onConflict` is the clause that follows `on conflict`, null for none. */
export function insertSql(plan: RowPlan, columns: readonly string[], onConflict: string | null): string {
  const list = sqlNames(columns);
  const clause = onConflict === null ? "" : ` on conflict ${onConflict}`;
  return `insert into ${sqlName(plan.table.name)} (${list}) select ${list} from unnest(${arrayParameters(plan, columns, 1)}) as incoming (${list})${clause}`;
}

/** `(key) do update set …` of the given columns, or `(key) do nothing` when there are none beside the key. */
export function upsertClause(plan: RowPlan, columns: readonly string[]): string {
  const key = new Set(plan.table.primaryKey);
  const others = columns.filter((column) => !key.has(column));
  const target = `(${sqlNames(plan.table.primaryKey)})`;
  if (others.length === 0) return `${target} do nothing`;
  return `${target} do update set ${others.map((column) => `${sqlName(column)} = excluded.${sqlName(column)}`).join(", ")}`;
}

/** Updates rows by primary key from vectors. */
export function updateSql(plan: RowPlan, columns: readonly string[]): string {
  const key = new Set(plan.table.primaryKey);
  const sets = columns.filter((column) => !key.has(column)).map((column) => `${sqlName(column)} = incoming.${sqlName(column)}`);
  const list = sqlNames(columns);
  return `update ${sqlName(plan.table.name)} as t set ${sets.join(", ")} from unnest(${arrayParameters(plan, columns, 1)}) as incoming (${list}) where ${keyEquality(plan, "t", "incoming")}`;
}

/** Deletes rows by primary key from vectors. */
export function deleteSql(plan: RowPlan): string {
  const key = plan.table.primaryKey;
  return `delete from ${sqlName(plan.table.name)} as t using unnest(${arrayParameters(plan, key, 1)}) as incoming (${sqlNames(key)}) where ${keyEquality(plan, "t", "incoming")}`;
}

/** Primary keys in text form, and the join with vectors of primary keys, from the first parameter on. */
export const keyArraysSql = (plan: RowPlan, alias: string): { readonly columns: string; readonly join: string } => ({
  columns: plan.table.primaryKey.map((column) => `${alias}.${sqlName(column)}::text as ${sqlName(column)}`).join(", "),
  join: `unnest(${arrayParameters(plan, plan.table.primaryKey, 1)}) as incoming (${sqlNames(plan.table.primaryKey)}) on ${keyEquality(plan, alias, "incoming")}`,
});

/**
 * Rows of a table that refer, by the given columns, to rows of `target` with the given primary keys: their primary keys, or
 * with `referred` those of the rows that they refer to.
 */
export function selectReferringSql(plan: RowPlan, columns: readonly string[], target: RowPlan, referred = false): string {
  const shown = referred ? { alias: "incoming", key: target.table.primaryKey } : { alias: "t", key: plan.table.primaryKey };
  const list = `distinct ${shown.key.map((column) => `${shown.alias}.${sqlName(column)}::text as ${sqlName(column)}`).join(", ")}`;
  const key = target.table.primaryKey;
  const joined = key.map((column, place) => `t.${sqlName(columns[place] ?? "")} = incoming.${sqlName(column)}`).join(" and ");
  return `select ${list} from ${sqlName(plan.table.name)} as t join unnest(${arrayParameters(target, key, 1)}) as incoming (${sqlNames(key)}) on ${joined}`;
}

/** Reads the given columns, in text form, of the rows with the given primary keys. */
export function selectByKeySql(plan: RowPlan, columns: readonly string[], lock: boolean): string {
  const key = plan.table.primaryKey;
  const list = columns.map((column) => `t.${sqlName(column)}::text as ${sqlName(column)}`).join(", ");
  return `select ${list} from ${sqlName(plan.table.name)} as t join unnest(${arrayParameters(plan, key, 1)}) as incoming (${sqlNames(key)}) on ${keyEquality(plan, "t", "incoming")}${lock ? " for update of t" : ""}`;
}

/** The numbers (from 0) of the vector's rows that are not in the table with the same content. */
export function differingRowsSql(plan: RowPlan, columns: readonly string[]): string {
  const key = new Set(plan.table.primaryKey);
  const compared = columns.filter((column) => !key.has(column));
  const differs = compared.map((column) => `t.${sqlName(column)} is distinct from incoming.${sqlName(column)}`);
  const missing = `t.${sqlName(plan.table.primaryKey[0] ?? plan.tenantColumn)} is null`;
  return `select (incoming.row_number_ - 1)::integer as row from unnest(${arrayParameters(plan, columns, 1)}) with ordinality as incoming (${sqlNames(columns)}, row_number_) left join ${sqlName(plan.table.name)} as t on ${keyEquality(plan, "t", "incoming")} where ${[missing, ...differs].join(" or ")}`;
}

/** `row_key` of a table alias as an SQL expression. */
export const rowKeySql = (plan: RowPlan, alias: string): string =>
  `concat_ws(E'\\x1f', ${plan.keyColumns.map((column) => `${alias}.${sqlName(column)}::text`).join(", ")})`;

/** Vectors of the primary key, tenant first, for row keys of one tenant. */
export function keyVectors(plan: RowPlan, tenant: string, rowKeys: readonly string[]): readonly (readonly string[])[] {
  const parts = rowKeys.map((key) => key.split(KEY_SEPARATOR));
  return plan.table.primaryKey.map((column) => {
    if (column === plan.tenantColumn) return rowKeys.map(() => tenant);
    const place = plan.keyColumns.indexOf(column);
    return parts.map((values) => values[place] ?? "");
  });
}

/** A row as read by `selectByKeySql`. */
export type TextRow = Readonly<Record<string, CellText>>;

/** The row key of a row that was read with its key columns. */
export const rowKeyOf = (plan: RowPlan, row: TextRow): string =>
  plan.keyColumns.map((column) => row[column] ?? "").join(KEY_SEPARATOR);
