import type { Database } from "@hayloft/engine";
import { digestTables, explainDifference, isReplicated } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { until } from "./until.ts";

/** Tables that travel and that all the tiers hold whole, without a column that is hidden from one of them. */
export const sharedTables = (...tiers: readonly string[]): readonly string[] =>
  farmCatalog.tables
    .filter((table) => isReplicated(table) && table.flow !== "top" && tiers.every((tier) => tier in table.retain))
    .filter(({ hidden }) => !tiers.some((tier) => (hidden[tier] ?? []).length > 0))
    .map(({ name }) => name);

/** The tables whose digests two databases do not share. */
async function differingTables(
  one: Database,
  other: Database,
  tenant: string,
  tables: readonly string[],
): Promise<readonly string[]> {
  const [left, right] = [
    await digestTables(one, farmCatalog, tenant, tables),
    await digestTables(other, farmCatalog, tenant, tables),
  ];
  return left
    .filter(({ digest, rows }, index) => right[index]?.digest !== digest || right[index].rows !== rows)
    .map(({ table, rows }) => `${table}: ${rows} and ${right.find((item) => item.table === table)?.rows ?? 0} rows`);
}

/** Waits until both hold equal rows in these tables; fails with the tables that differ, and all that both know of the first row. */
export async function becomeEqual(
  one: Database,
  other: Database,
  tenant: string,
  tables: readonly string[],
  withinMs = 60_000,
): Promise<void> {
  let different: readonly string[] = [];
  await until(
    "equal tables",
    async () => {
      different = await differingTables(one, other, tenant, tables);
      return different.length === 0;
    },
    withinMs,
  ).catch(async (error: unknown) => {
    const reason = await explainDifference(one, other, farmCatalog, tenant, tables);
    throw new Error(`tables differ: ${different.join("; ")}\n${reason ?? "equal by now"}`, { cause: error });
  });
}

/** The one number that a query gives, as `n`. */
export async function countOf(
  database: Database,
  from: string,
  parameters: readonly (string | number | readonly string[])[] = [],
): Promise<number> {
  const { rows } = await database.query<{ n: number }>(`select count(*)::int as n from ${from}`, parameters);
  return rows[0]?.n ?? -1;
}
