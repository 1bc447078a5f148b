import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { sqlName, sqlNames, sqlText } from "../sql/sql-name.ts";
import { sqlTypeOf } from "./table-sql.ts";

/** Vectors of the key columns, without the tenant. */
export function keyVectorsOf(plan: RowPlan, rowKeys: readonly string[]): readonly (readonly string[])[] {
  if (plan.keyColumns.length === 1) return [rowKeys];
  const parts = rowKeys.map((key) => key.split(KEY_SEPARATOR));
  return plan.keyColumns.map((_, place) => parts.map((values) => values[place] ?? ""));
}

/** `unnest($first::type[], …)`. */
const vectorsSql = (plan: RowPlan, columns: readonly string[], first: number): string =>
  `unnest(${columns.map((column, index) => `$${first + index}::${sqlTypeOf(plan, column)}[]`).join(", ")})`;

/** `t` is the row with the key of `i`; the tenant is the first parameter. */
const keyEquality = (plan: RowPlan): string =>
  [
    `t.${sqlName(plan.tenantColumn)} = $1`,
    ...plan.keyColumns.map((column) => `t.${sqlName(column)} = i.${sqlName(column)}`),
  ].join(" and ");

/** Locks rows, and returns places as `placesOf` does. Parameters: the tenant, vectors of the key columns. */
export const lockRowsSql = (plan: RowPlan): string =>
  placesSql(
    `select i.place from ${sqlName(plan.table.name)} as t
    join ${vectorsSql(plan, plan.keyColumns, 2)} with ordinality as i (${sqlNames(plan.keyColumns)}, place) on ${keyEquality(plan)}
    for update of t`,
    "$2",
  );

/** A statement by `stampAsSeenSql` that returns the places, from 1, of the rows that it found; null: all of them. */
export const placesOf = (stamp: string): string => placesSql(`${stamp} returning i.place`, "$3");

const placesSql = (statement: string, all: string): string => `with found as (${statement})
  select case when count(*) < cardinality(${all}) then coalesce(array_agg(place::integer order by place), '{}') end as places from found`;

/**
 * Writes stamps where those of `columns` are the expected ones. Parameters: tenant, table, row keys, per row the number of a pair;
 * per pair the stamps to write, and for each column the stamp expected.
 */
export function stampAsSeenSql(columns: readonly string[]): string {
  const seen = columns.map((_, index) => `seen_${index}`);
  const vectors = ["$5::jsonb[]", ...columns.map((_, index) => `$${6 + index}::jsonb[]`)];
  const equal = columns.map(
    (column, index) => `coalesce(s.stamps -> ${sqlText(column)}, s.stamps -> '$row') = pair.seen_${index}`,
  );
  // Where a stamp is unknown, a value that the update carries along counts too.
  return `update hayloft.row_state as s set stamps = s.stamps || pair.mark
    from unnest($3::text[], $4::integer[]) with ordinality as i (row_key, pair, place)
    join unnest(${vectors.join(", ")}) with ordinality as pair (mark, ${seen.join(", ")}, number) on pair.number = i.pair
    where s.tenant_id = $1 and s.table_name = $2 and s.row_key = i.row_key and not s.deleted
      and s.stamps ? '$row' and strpos(s.stamps::text, '["0"') = 0 and ${equal.join(" and ")}`;
}

/**
 * Writes values by key. Parameters: the tenant, vectors of the key columns, vectors of `columns`. With `bytesMax` it leaves out rows
 * whose other values take more, about.
 */
export function updateAsSeenSql(plan: RowPlan, columns: readonly string[], bytesMax: number | null): string {
  const given = [...plan.keyColumns, ...columns];
  const sets = columns.map((column) => `${sqlName(column)} = i.${sqlName(column)}`).join(", ");
  const others = plan.cellColumns.filter((column) => !columns.includes(column));
  const bytes = bytesMax === null ? null : bytesSql(plan, others);
  return `update ${sqlName(plan.table.name)} as t set ${sets}
    from ${vectorsSql(plan, given, 2)} with ordinality as i (${sqlNames(given)}, place)
    where ${keyEquality(plan)}${bytes === null ? "" : ` and ${bytes} <= ${String(bytesMax)}`}`;
}

/** An update by `updateAsSeenSql` that returns the places of rows that are larger now than `bytesMax`, about. */
export const largeRowsOf = (update: string, plan: RowPlan, bytesMax: number): string =>
  `with written as (${update} returning i.place, ${bytesSql(plan, plan.cellColumns) ?? "0"} as bytes)
  select place::integer as place from written where bytes > ${bytesMax} order by place`;

/** The bytes of those values that may be long; null when there are none. */
function bytesSql(plan: RowPlan, columns: readonly string[]): string | null {
  const sizes = columns.flatMap((column) => {
    const kind = plan.table.columns[column]?.type.kind;
    const value = `t.${sqlName(column)}`;
    if (kind === "text") return [`coalesce(octet_length(${value}), 0)`];
    return kind === "jsonb" ? [`coalesce(octet_length(${value}::text), 0)`] : [];
  });
  return sizes.length === 0 ? null : sizes.join(" + ");
}
