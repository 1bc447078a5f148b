import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { sqlTypeOf } from "../apply/table-sql.ts";
import type { CellText } from "../commit/commit.ts";
import { restrictedScopes } from "../log/filter-commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { visibleSql } from "../scope/visible-sql.ts";
import { sqlName, sqlText } from "../sql/sql-name.ts";
import type { Database, SqlParameter } from "../store/database.ts";

/** Deleted rows read for one page at most. */
const DEAD_ROWS_MAX = 1_000;

export interface DeadRows {
  /** Keys without the tenant, in order, as `row_key`. */
  readonly keys: readonly string[];
  readonly stamps: readonly CellText[];
  /** True when there may be more behind them. */
  readonly more: boolean;
}

/**
 * Deleted rows of a table with their stamps documents, which hold the values that they had: what somebody wrote to such a row before he
 * knew of its end is merged with these, here as everywhere. Only rows that the grant would have covered while they lived.
 */
export async function readDeadRows(
  database: Database,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, grant, after }: { readonly tenant: string; readonly grant: Grant; readonly after: readonly string[] | null },
): Promise<DeadRows> {
  const parameters: SqlParameter[] = [tenant, plan.table.name, after?.join(KEY_SEPARATOR) ?? ""];
  const key = plan.keyColumns.map(
    (column, place) => `${sqlText(column)}, split_part(s.row_key, E'\\x1f', ${String(place + 1)})::${sqlTypeOf(plan, column)}`,
  );
  const cells = `(s.stamps -> '$cells') || jsonb_build_object(${[`${sqlText(plan.tenantColumn)}, s.tenant_id`, ...key].join(", ")})`;
  // A row of which nobody here knows whose it was goes to nobody who may not see all.
  const known = restrictedScopes(plan, grant)
    .filter(({ column }) => !plan.table.primaryKey.includes(column))
    .map(({ column }) => ` and s.stamps -> '$cells' ? ${sqlText(column)}`);
  const { rows } = await database.query<{ row_key: string; stamps: string }>(
    `select s.row_key, s.stamps::text as stamps from hayloft.row_state as s
    cross join lateral jsonb_populate_record(null::${sqlName(plan.table.name)}, ${cells}) as t
    where s.tenant_id = $1 and s.table_name = $2 and s.row_key > $3 and s.dead and s.deleted${known.join("")}${visibleSql(env.plans, plan, "t", grant, parameters)}
    order by s.row_key limit ${String(DEAD_ROWS_MAX)}`,
    parameters,
  );
  return {
    keys: rows.map(({ row_key }) => row_key),
    stamps: rows.map(({ stamps }) => stamps),
    more: rows.length === DEAD_ROWS_MAX,
  };
}
