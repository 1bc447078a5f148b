import { sqlTypeOf, rowKeySql } from "../apply/table-sql.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { scopeSql, visibleSql } from "../scope/visible-sql.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter } from "../store/database.ts";

export interface PageQuery {
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
}

/** `and (k1, k2) > (…)` over the key without the tenant, or nothing at the start of a table. */
export function afterKeySql(
  plan: RowPlan,
  alias: string,
  afterKey: readonly string[] | null,
  parameters: SqlParameter[],
): string {
  if (afterKey === null || plan.keyColumns.length === 0) return "";
  const left = plan.keyColumns.map((column) => `${alias}.${sqlName(column)}`).join(", ");
  const right = plan.keyColumns.map((column, index) => {
    parameters.push(afterKey[index] ?? "");
    return `$${String(parameters.length)}::${sqlTypeOf(plan, column)}`;
  });
  return ` and (${left}) > (${right.join(", ")})`;
}

/** What the tier keeps of the table: `days` by age, `generations` by the newest values within the grant. */
function retentionSql(plan: RowPlan, alias: string, grant: Grant, nowMs: number, parameters: SqlParameter[]): string {
  const retention = plan.table.retain[grant.tier];
  if (retention === undefined || retention.kind === "forever") return "";
  const name = `${alias}.${sqlName(retention.column)}`;
  if (retention.kind === "days") {
    parameters.push(new Date(nowMs - retention.days * 86_400_000));
    return ` and ${name} >= $${String(parameters.length)}::timestamptz`;
  }
  const scope = scopeSql(plan, "newest", grant, parameters);
  const table = sqlName(plan.table.name);
  return ` and ${name} in (select distinct newest.${sqlName(retention.column)} from ${table} as newest where newest.${sqlName(plan.tenantColumn)} = $1${scope} order by 1 desc limit ${String(retention.keep)})`;
}

/** Rows of one table for a grant's tier, in key order, in text form, with their stamps where the rules need them: one row
 * that holds a JSON array per column, or null where there are no rows. */
export function pageQuery(
  plans: ReadonlyMap<string, RowPlan>,
  plan: RowPlan,
  columns: readonly string[],
  page: {
    readonly tenant: string;
    readonly grant: Grant;
    readonly scoped: boolean;
    readonly afterKey: readonly string[] | null;
    readonly nowMs: number;
    readonly rowsMax: number;
  },
): PageQuery {
  const parameters: SqlParameter[] = [page.tenant];
  const grant = page.scoped ? page.grant : { ...page.grant, scopes: {} };
  const list = columns.map((column) => `t.${sqlName(column)}::text as ${sqlName(column)}`);
  const stamps = plan.merges ? `, (s.stamps - '$cells')::text as "$stamps"` : "";
  const join = plan.merges
    ? ` left join hayloft.row_state as s on s.tenant_id = $1 and s.table_name = '${plan.table.name}' and s.row_key = ${rowKeySql(plan, "t")}`
    : "";
  const where = `t.${sqlName(plan.tenantColumn)} = $1${afterKeySql(plan, "t", page.afterKey, parameters)}${visibleSql(plans, plan, "t", grant, parameters)}${retentionSql(plan, "t", grant, page.nowMs, parameters)}`;
  const order = plan.keyColumns.map((column) => `t.${sqlName(column)}`).join(", ");
  const rows = `select ${list.join(", ")}${stamps} from ${sqlName(plan.table.name)} as t${join} where ${where}${order === "" ? "" : ` order by ${order}`} limit ${String(page.rowsMax)}`;
  // One vector per column: reading thousands of rows as rows costs the process more than all the rest of a page.
  const vectors = [...columns, ...(plan.merges ? ["$stamps"] : [])].map(
    (column) => `array_to_json(array_agg(r.${sqlName(column)})) as ${sqlName(column)}`,
  );
  return { sql: `select ${vectors.join(", ")} from (${rows}) as r`, parameters };
}
