import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { Database, SqlParameter, SqlSession } from "../store/database.ts";
import { columnsTextSql, rowTextSql } from "./row-text.ts";
import { inTextForm } from "./text-form.ts";

export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  /** 32 hexadecimal digits; equal for equal rows in any order, on every database. */
  readonly digest: string;
}

export interface DigestWindow {
  /** A `timestamptz` column of the table; tables without it are taken whole. */
  readonly column: string;
  /** From this time on. */
  readonly from?: Date;
  /** Before this time. */
  readonly to?: Date;
}

/** The two halves of the md5 of a row's text, as sums that do not depend on order. */
const halves = (text: string): string => {
  const half = (from: number): string => `('x' || substr(md5(${text}), ${String(from)}, 16))::bit(64)::bigint::numeric`;
  return `sum(${half(1)}) as high, sum(${half(17)}) as low`;
};

const MODULUS = 1n << 64n;
const half = (sum: string | null): string =>
  (((BigInt(sum ?? "0") % MODULUS) + MODULUS) % MODULUS).toString(16).padStart(16, "0");

/**
 * A digest per replicated table of a tenant: the sum of the md5 of its rows, so that order does not matter. Derived columns
 * and local tables are left out. Values have one text form whatever the client's settings are. It proves equality between
 * honest replicas; it is no defence against a forger.
 */
export async function digestTables(
  session: SqlSession | Database,
  catalog: Catalog,
  tenant: string,
  tables?: readonly string[],
  window?: DigestWindow,
): Promise<readonly TableDigest[]> {
  const wanted = catalog.tables.filter((table) => isReplicated(table) && (tables === undefined || tables.includes(table.name)));
  return await inTextForm(session, async (tx) => {
    const digests: TableDigest[] = [];
    for (const table of wanted) digests.push(await digestTable(tx, rowPlan(table), tenant, window));
    return digests;
  });
}

/** Conditions of the window on an alias. */
function windowSql(plan: RowPlan, alias: string, window: DigestWindow | undefined, parameters: SqlParameter[]): string {
  if (window === undefined || plan.table.columns[window.column] === undefined) return "";
  const name = `${alias}.${sqlName(window.column)}`;
  const condition = (operator: string, value: Date | undefined): string => {
    if (value === undefined) return "";
    parameters.push(value);
    return ` and ${name} ${operator} $${String(parameters.length)}::timestamptz`;
  };
  return condition(">=", window.from) + condition("<", window.to);
}

/** A table as another version has it: what is compared, and where it is here. */
export interface DigestedColumns {
  /** The table's name in the older of the two versions. */
  readonly name: string;
  readonly table: string;
  readonly tenantColumn: string;
  /** Names here, in the order of their names in the older version. */
  readonly columns: readonly string[];
}

/** Digests of some columns of some tables, for replicas of different versions; see `commonColumns`. */
export async function digestColumns(
  session: SqlSession | Database,
  tenant: string,
  digested: readonly DigestedColumns[],
): Promise<readonly TableDigest[]> {
  return await inTextForm(session, async (tx) => {
    const digests: TableDigest[] = [];
    for (const { name, table, tenantColumn, columns } of digested) {
      const from = `${sqlName(table)} as t where t.${sqlName(tenantColumn)} = $1`;
      digests.push(await sumRows(tx, name, columnsTextSql(columns, {}, "t"), from, [tenant]));
    }
    return digests;
  });
}

async function digestTable(
  session: SqlSession,
  plan: RowPlan,
  tenant: string,
  window: DigestWindow | undefined,
): Promise<TableDigest> {
  const parameters: SqlParameter[] = [tenant];
  const where = `t.${sqlName(plan.tenantColumn)} = $1${windowSql(plan, "t", window, parameters)}`;
  return await sumRows(
    session,
    plan.table.name,
    rowTextSql(plan, "t"),
    `${sqlName(plan.table.name)} as t where ${where}`,
    parameters,
  );
}

async function sumRows(
  session: SqlSession,
  table: string,
  text: string,
  from: string,
  parameters: readonly SqlParameter[],
): Promise<TableDigest> {
  const { rows } = await session.query<{ rows: number; high: string | null; low: string | null }>(
    `select count(*) as rows, ${halves("row_text")} from (select ${text} as row_text from ${from}) as texts`,
    parameters,
  );
  const [sums] = rows;
  return { table, rows: sums?.rows ?? 0, digest: half(sums?.high ?? null) + half(sums?.low ?? null) };
}
