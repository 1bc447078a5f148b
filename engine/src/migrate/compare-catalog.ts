import type { Catalog } from "../catalog/catalog.ts";
import { captureTriggers } from "../sql/capture-ddl.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { describeSchema } from "./describe-schema.ts";
import type { SchemaFact } from "./describe-schema.ts";

/** One thing that is not as the catalog says. */
export interface CatalogDifference {
  readonly table: string;
  readonly kind: SchemaFact["kind"];
  readonly name: string;
  readonly problem: "missing" | "unlisted" | "different";
  /** As the catalog says, in Postgres' own words; null when it says nothing. */
  readonly expected: string | null;
  /** As the database has it; null when it has nothing. */
  readonly found: string | null;
}

/**
 * Compares a migrated database with the catalog: tables, columns, types, nullability, defaults, keys, checks, indexes and
 * triggers, those that capture included. Empty when they are equal. The expectation is built from the catalog in a schema of its own
 * and printed by the same database; all of it is rolled back, so nothing changes. Partitions are not compared.
 */
export async function compareCatalog(database: Database, catalog: Catalog): Promise<readonly CatalogDifference[]> {
  const rollback = new RolledBack();
  let differences: readonly CatalogDifference[] = [];
  try {
    await database.transaction(async (tx) => {
      const found = await describeSchema(tx);
      const expected = await describeExpected(tx, catalog);
      differences = compareFacts(expected, found);
      throw rollback;
    });
  } catch (error) {
    if (error !== rollback) throw error;
  }
  return differences;
}

/** Ends a transaction without keeping its work. */
class RolledBack extends Error {}

async function describeExpected(tx: SqlSession, catalog: Catalog): Promise<readonly SchemaFact[]> {
  const [replica] = (await tx.query<{ tier: string }>("select tier from hayloft.replica")).rows;
  await tx.script("CREATE SCHEMA hayloft_expected; SET LOCAL search_path = hayloft_expected");
  await tx.script(catalogDdl(catalog));
  const facts = await describeSchema(tx);
  if (replica === undefined) return facts;
  const capture = catalog.tables.flatMap((table) =>
    captureTriggers(table, replica.tier).map((name): SchemaFact => ({
      table: table.name,
      kind: "trigger",
      name,
      definition: "A",
    })),
  );
  return [...facts, ...capture];
}

/** The facts that only one side has, or that both have with other definitions. */
export function compareFacts(expected: readonly SchemaFact[], found: readonly SchemaFact[]): readonly CatalogDifference[] {
  const keyOf = (fact: SchemaFact): string => [fact.kind, fact.table, fact.name].join(" ");
  const present = new Map(found.map((fact) => [keyOf(fact), fact]));
  const wanted = new Map(expected.map((fact) => [keyOf(fact), fact]));
  const differences: CatalogDifference[] = [];
  for (const [key, { table, kind, name, definition }] of wanted) {
    const other = present.get(key)?.definition ?? null;
    if (other === definition) continue;
    differences.push({
      table,
      kind,
      name,
      problem: other === null ? "missing" : "different",
      expected: definition,
      found: other,
    });
  }
  for (const [key, { table, kind, name, definition }] of present) {
    if (!wanted.has(key)) differences.push({ table, kind, name, problem: "unlisted", expected: null, found: definition });
  }
  return differences;
}
