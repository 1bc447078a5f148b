import type { CellText } from "../commit/commit.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { placeName, placeOf } from "../quarantine/dependence.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "./table-sql.ts";

/** Of the rows (by place) that are not here those that were deleted, with the values that they had. */
export async function readTombstones(
  session: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  places: ReadonlySet<string>,
): Promise<ReadonlyMap<string, ReadonlyMap<string, CellText>>> {
  const asked = [...places].map(placeOf).filter(({ table }) => env.plans.has(table));
  const { rows } = await session.query<{ table_name: string; row_key: string; cells: Readonly<Record<string, CellText>> | null }>(
    `select s.table_name, s.row_key, s.stamps -> '$cells' as cells from hayloft.row_state s
    join unnest($2::text[], $3::text[]) as asked (table_name, row_key) on asked.table_name = s.table_name and asked.row_key = s.row_key
    where s.tenant_id = $1 and s.deleted`,
    [tenant, asked.map(({ table }) => table), asked.map(({ key }) => key)],
  );
  return new Map(
    rows.map((row) => [placeName({ table: row.table_name, key: row.row_key }), new Map(Object.entries(row.cells ?? {}))]),
  );
}

/**
 * Remembers rows of a table without stamps that are about to be deleted and to which others may refer: that they were here, and
 * their values. Tables with stamps have their tombstones anyway.
 */
export async function keepTombstones(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  stamp: { readonly stamp: bigint; readonly node: string },
): Promise<void> {
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, true), keyVectors(plan, tenant, keys));
  if (rows.length === 0) return;
  const documents = rows.map((row) =>
    JSON.stringify({
      $deleted: [stamp.stamp.toString(), stamp.node],
      $cells: Object.fromEntries(plan.cellColumns.map((column) => [column, row[column] ?? null])),
    }),
  );
  await tx.query(
    `insert into hayloft.row_state (tenant_id, table_name, row_key, stamps)
    select $1, $2, gone.row_key, gone.stamps from unnest($3::text[], $4::jsonb[]) as gone (row_key, stamps)
    on conflict (tenant_id, table_name, row_key) do update set stamps = excluded.stamps`,
    [tenant, plan.table.name, rows.map((row) => rowKeyOf(plan, row)), documents],
  );
}
