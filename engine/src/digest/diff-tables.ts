import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import { rowKeySql, type TextRow } from "../apply/table-sql.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { digestTables } from "./digest-tables.ts";
import { rowTextSql } from "./row-text.ts";
import { inTextForm } from "./text-form.ts";

/** A row that two replicas hold differently. */
export interface RowDifference {
  readonly table: string;
  /** Primary key without the tenant. */
  readonly key: readonly string[];
  readonly kind: "onlyLeft" | "onlyRight" | "differs";
  /** For `differs`: the columns whose values are not equal. Values are not shown. */
  readonly columns: readonly string[];
}

/** Why two replicas differ: the rows of the tables whose digests are not equal, at most `limit` per table. */
export async function diffTables(
  left: SqlSession | Database,
  right: SqlSession | Database,
  catalog: Catalog,
  tenant: string,
  options: { readonly tables?: readonly string[]; readonly limit?: number } = {},
): Promise<readonly RowDifference[]> {
  const [mine, theirs] = [
    await digestTables(left, catalog, tenant, options.tables),
    await digestTables(right, catalog, tenant, options.tables),
  ];
  const other = new Map(theirs.map((item) => [item.table, item.digest]));
  const differing = new Set(mine.filter((item) => other.get(item.table) !== item.digest).map((item) => item.table));
  const found: RowDifference[] = [];
  for (const table of catalog.tables.filter((item) => isReplicated(item) && differing.has(item.name))) {
    found.push(...(await diffTable(left, right, rowPlan(table), tenant, options.limit ?? 100)));
  }
  return found;
}

async function diffTable(
  left: SqlSession | Database,
  right: SqlSession | Database,
  plan: RowPlan,
  tenant: string,
  limit: number,
): Promise<readonly RowDifference[]> {
  const [mine, theirs] = [await rowHashes(left, plan, tenant), await rowHashes(right, plan, tenant)];
  const names = [...new Set([...mine.keys(), ...theirs.keys()])]
    .filter((key) => mine.get(key) !== theirs.get(key))
    .slice(0, limit);
  const both = names.filter((key) => mine.has(key) && theirs.has(key));
  const [myRows, theirRows] = [await rowsByKey(left, plan, tenant, both), await rowsByKey(right, plan, tenant, both)];
  return names.map((name) => {
    const base = { table: plan.table.name, key: name.split(KEY_SEPARATOR) };
    if (!theirs.has(name)) return { ...base, kind: "onlyLeft", columns: [] };
    if (!mine.has(name)) return { ...base, kind: "onlyRight", columns: [] };
    const columns = plan.columns.filter((column) => myRows.get(name)?.[column] !== theirRows.get(name)?.[column]);
    return { ...base, kind: "differs", columns };
  });
}

async function rowHashes(session: SqlSession | Database, plan: RowPlan, tenant: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await inTextForm(session, async (tx) =>
    tx.query<{ row_key: string; hash: string }>(
      `select ${rowKeySql(plan, "t")} as row_key, md5(${rowTextSql(plan, "t")}) as hash
      from ${sqlName(plan.table.name)} as t where t.${sqlName(plan.tenantColumn)} = $1 order by 1`,
      [tenant],
    ),
  );
  return new Map(rows.map((row) => [row.row_key, row.hash]));
}

async function rowsByKey(
  session: SqlSession | Database,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, TextRow>> {
  if (keys.length === 0) return new Map();
  const columns = plan.columns.map((column) => `t.${sqlName(column)}::text as ${sqlName(column)}`).join(", ");
  const { rows } = await inTextForm(session, async (tx) =>
    tx.query<TextRow>(
      `select ${rowKeySql(plan, "t")} as "$key", ${columns} from ${sqlName(plan.table.name)} as t
      where t.${sqlName(plan.tenantColumn)} = $1 and ${rowKeySql(plan, "t")} = any($2::text[])`,
      [tenant, keys],
    ),
  );
  return new Map(rows.map((row) => [row["$key"] ?? "", row]));
}
