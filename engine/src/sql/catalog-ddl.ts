import type { Catalog } from "../catalog/catalog.ts";
import type { Column, SqlType } from "../catalog/column.ts";
import type { Reference, Table, Unique } from "../catalog/table.ts";
import { naturalKeyDdl } from "./natural-key-ddl.ts";
import { objectName, sqlName, sqlNames, sqlText } from "./sql-name.ts";

/**
 * The statements that create every table of the catalog with its keys, checks, indexes, default partitions and natural-key
 * triggers: the text of an initial migration, the same on PGlite and Postgres 15–18. Needs the schema `hayloft`. Monthly
 * partitions come from `ensurePartitions`, capture triggers from `migrate`.
 */
export function catalogDdl(catalog: Catalog): string {
  const tables = catalog.tables.map(tableDdl);
  // References come last, so that the order of the tables does not matter and tables may refer to each other.
  const references = catalog.tables.flatMap((table) =>
    table.references.map((reference) => referenceDdl(catalog, table, reference)),
  );
  return `${[...tables, references.join("\n")].filter((part) => part !== "").join("\n\n")}\n`;
}

/** The statements that create one table, without its foreign keys. */
function tableDdl(table: Table): string {
  const lines = [
    ...Object.entries(table.columns).map(([name, column]) => `  ${columnDdl(name, column)}`),
    `  CONSTRAINT ${sqlName(objectName(table.name, "pkey"))} PRIMARY KEY (${sqlNames(table.primaryKey)})`,
    ...table.unique.filter((unique) => unique.where === undefined).map((unique) => `  ${uniqueDdl(table, unique)}`),
    ...checks(table),
  ];
  const partitioned = table.partition === null ? "" : ` PARTITION BY RANGE (${sqlName(table.partition.by)})`;
  const statements = [`CREATE TABLE ${sqlName(table.name)} (\n${lines.join(",\n")}\n)${partitioned};`];
  if (table.partition !== null) {
    statements.push(`CREATE TABLE ${sqlName(defaultPartition(table))} PARTITION OF ${sqlName(table.name)} DEFAULT;`);
  }
  for (const unique of table.unique)
    if (unique.where !== undefined) statements.push(partialUniqueDdl(table, unique, unique.where));
  for (const index of table.indexes) statements.push(indexDdl(table, index));
  if (table.rule.kind === "naturalKey") statements.push(naturalKeyDdl(table, table.rule.key));
  return statements.join("\n");
}

/** The name of the partition that takes rows of months without one. */
export const defaultPartition = (table: Table): string => objectName(table.name, "default");

/** `name type … NOT NULL DEFAULT …`, as in CREATE TABLE and ALTER TABLE ADD COLUMN. */
function columnDdl(name: string, column: Column): string {
  const parts = [sqlName(name), sqlTypeText(column.type)];
  if (!column.isNullable) parts.push("NOT NULL");
  if (column.defaultSql !== null) parts.push(`DEFAULT ${column.defaultSql}`);
  return parts.join(" ");
}

/** The type with its collation, as DDL. */
export function sqlTypeText(type: SqlType): string {
  if (type.kind === "numeric") return `numeric(${type.precision}, ${type.scale})`;
  if (type.kind === "text") return 'text COLLATE "C"';
  return type.kind === "double" ? "double precision" : type.kind;
}

function checks(table: Table): string[] {
  const found: string[] = [];
  const add = (name: string, condition: string): void => {
    found.push(`  CONSTRAINT ${sqlName(objectName(table.name, name, "check"))} CHECK (${condition})`);
  };
  for (const [name, column] of Object.entries(table.columns)) {
    if (column.allowed !== null) add(`${name}_allowed`, `${sqlName(name)} IN (${column.allowed.map(sqlText).join(", ")})`);
    if (column.condition !== null) add(name, column.condition.replaceAll("{}", sqlName(name)));
  }
  for (const [name, condition] of Object.entries(table.checks)) add(name, condition);
  return found;
}

function uniqueDdl(table: Table, unique: Unique): string {
  const nulls = unique.nullsNotDistinct === true ? " NULLS NOT DISTINCT" : "";
  return `CONSTRAINT ${sqlName(objectName(table.name, ...unique.columns, "key"))} UNIQUE${nulls} (${sqlNames(unique.columns)})`;
}

function partialUniqueDdl(table: Table, unique: Unique, where: string): string {
  const nulls = unique.nullsNotDistinct === true ? " NULLS NOT DISTINCT" : "";
  const name = sqlName(objectName(table.name, ...unique.columns, "partial_key"));
  return `CREATE UNIQUE INDEX ${name} ON ${sqlName(table.name)} (${sqlNames(unique.columns)})${nulls} WHERE ${where};`;
}

function indexDdl(table: Table, index: readonly string[]): string {
  const keys = index.map((item) => item.replace(/ desc$/i, ""));
  const columns = index.map((item, position) => sqlName(keys[position] ?? item) + (/ desc$/i.test(item) ? " DESC" : ""));
  return `CREATE INDEX ${sqlName(objectName(table.name, ...keys, "idx"))} ON ${sqlName(table.name)} (${columns.join(", ")});`;
}

function referenceDdl(catalog: Catalog, table: Table, reference: Reference): string {
  const target = catalog.byName.get(reference.table);
  const keys = target === undefined ? "" : ` (${sqlNames(target.primaryKey)})`;
  const name = sqlName(objectName(table.name, ...reference.columns, "fkey"));
  return (
    `ALTER TABLE ${sqlName(table.name)} ADD CONSTRAINT ${name} FOREIGN KEY (${sqlNames(reference.columns)})` +
    ` REFERENCES ${sqlName(reference.table)}${keys} DEFERRABLE INITIALLY DEFERRED;`
  );
}
