import type { Catalog } from "./catalog.ts";
import type { Report } from "./lint-catalog.ts";
import type { Reference, Table } from "./table.ts";

/** Keys, indexes, references and partitions: the tenant leads all of them, and what is searched by has an index. */
export function lintKeys(catalog: Catalog, table: Table, report: Report): void {
  const { tenant } = table.scope;
  const tenantColumn = table.columns[tenant];
  if (tenantColumn !== undefined && (tenantColumn.type.kind !== "text" || tenantColumn.isNullable)) {
    report("tenant", `The tenant column ${tenant} is a text and NOT NULL.`);
  }
  lintColumnsExist(table, report);
  if (table.primaryKey[0] !== tenant) report("primary-key", `The primary key begins with ${tenant}.`);
  for (const name of table.primaryKey) {
    if (table.columns[name]?.isNullable === true) report("primary-key", `The key column ${name} is nullable.`);
  }
  for (const { columns, nullsNotDistinct, where } of table.unique) {
    if (columns[0] !== tenant) report("unique", `The unique key (${columns.join(", ")}) begins with ${tenant}.`);
    const nullable = columns.filter((name) => table.columns[name]?.isNullable === true && !excludesNull(where, name));
    if (nullable.length > 0 && nullsNotDistinct !== true) {
      report(
        "unique-null",
        `The unique key (${columns.join(", ")}) holds the nullable ${nullable.join(", ")}; set nullsNotDistinct, or leave nulls out with where.`,
      );
    }
  }
  for (const index of table.indexes) {
    if (index[0] !== tenant && table.flow !== "local") report("index", `The index (${index.join(", ")}) begins with ${tenant}.`);
  }
  if (table.partition !== null) lintPartition(table, table.partition.by, report);
  for (const reference of table.references) lintReference(catalog, table, reference, report);
  // What travels down is filtered by scope; what travels up is read in the order of the log.
  if (table.flow === "down" || table.flow === "both") lintScopeIndexes(table, report);
}

function lintScopeIndexes(table: Table, report: Report): void {
  const scoped = new Set(Object.values(table.scope));
  const indexes = indexesOf(table);
  for (const [dimension, column] of Object.entries(table.scope)) {
    const leads = (key: readonly string[]): boolean =>
      key.includes(column) && key.slice(0, key.indexOf(column)).every((name) => scoped.has(name));
    if (dimension !== "tenant" && !indexes.some(leads)) {
      report("scope-index", `The scope column ${column} has no index (${table.scope.tenant}, ${column}).`);
    }
  }
}

const excludesNull = (where: string | undefined, column: string): boolean =>
  where !== undefined && new RegExp(`\\b${column} is not null\\b`, "i").test(where);

function lintColumnsExist(table: Table, report: Report): void {
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ["primary-key", table.primaryKey],
    ...table.unique.map(({ columns }) => ["unique", columns] as const),
    ...table.indexes.map((index) => ["index", index.map(bare)] as const),
    ...table.references.map(({ columns }) => ["reference", columns] as const),
    ...(table.holdTogether === null ? [] : [["hold-together", table.holdTogether.columns] as const]),
  ];
  for (const [rule, columns] of lists) {
    for (const name of columns) if (table.columns[name] === undefined) report(rule, `The column ${name} does not exist.`);
    if (new Set(columns).size !== columns.length) report(rule, `A column stands twice in (${columns.join(", ")}).`);
  }
}

const bare = (item: string): string => item.replace(/ desc$/i, "");

/** Postgres finds duplicates within one partition only, so every key holds the partition column. */
function lintPartition(table: Table, by: string, report: Report): void {
  const column = table.columns[by];
  if (column === undefined) report("partition", `The partition column ${by} does not exist.`);
  else if ((column.type.kind !== "timestamptz" && column.type.kind !== "date") || column.isNullable) {
    report("partition", `The partition column ${by} is a time or date and NOT NULL.`);
  }
  if (!table.primaryKey.includes(by)) report("partition", `The primary key holds the partition column ${by}.`);
  for (const { columns } of table.unique) {
    if (!columns.includes(by)) report("partition", `The unique key (${columns.join(", ")}) holds the partition column ${by}.`);
  }
}

function lintReference(catalog: Catalog, table: Table, reference: Reference, report: Report): void {
  const shown = `(${reference.columns.join(", ")})`;
  const target = catalog.byName.get(reference.table);
  if (target === undefined) {
    report("reference", `The reference ${shown} names the unknown table ${reference.table}.`);
    return;
  }
  if (reference.columns[0] !== table.scope.tenant || target.primaryKey[0] !== target.scope.tenant) {
    report("reference-tenant", `The reference ${shown} begins with the tenant on both sides, so that it never leaves it.`);
  }
  if (reference.columns.length !== target.primaryKey.length) {
    report(
      "reference",
      `The reference ${shown} has as many columns as the primary key of ${target.name} (${target.primaryKey.join(", ")}).`,
    );
  }
  for (const [place, name] of reference.columns.entries()) {
    const left = table.columns[name];
    const right = target.columns[target.primaryKey[place] ?? ""];
    if (left !== undefined && right !== undefined && JSON.stringify(left.type) !== JSON.stringify(right.type)) {
      report("reference", `${name} and the key column of ${target.name} have different types.`);
    }
  }
  if (reference.onParentDeleted === "detach") {
    const fixed = reference.columns.slice(1).filter((name) => table.columns[name]?.isNullable !== true);
    if (fixed.length > 0)
      report("reference-detach", `The reference ${shown} detaches rows, so ${fixed.join(", ")} must be nullable.`);
  }
  if (reference.onParentDeleted === "detach" && table.rule.kind === "appendOnly") {
    const fixed = reference.columns.slice(1).filter((name) => table.rule.columns[name] === undefined);
    if (fixed.length > 0)
      report("reference-detach", `The reference ${shown} detaches rows of ${table.name}, which never change (rule appendOnly).`);
  }
  if (reference.onParentDeleted === "revive" && target.rule.kind === "appendOnly") {
    report("reference-revive", `The reference ${shown} revives rows of ${target.name}, which are never deleted.`);
  }
  if (!isIndexed(table, reference.columns)) report("reference-index", `The reference ${shown} has no index.`);
  for (const tier of Object.keys(table.retain)) {
    if (target.retain[tier] === undefined) {
      report(
        "reference-retain",
        `${tier} keeps ${table.name} and not ${target.name}, which it refers to; rows could not be stored there.`,
      );
    }
  }
}

/** The columns of every index that finds any row: keys and declared indexes, without partial ones. */
const indexesOf = (table: Table): readonly (readonly string[])[] => [
  table.primaryKey,
  ...table.unique.filter(({ where }) => where === undefined).map((unique) => unique.columns),
  ...table.indexes.map((index) => index.map(bare)),
];

/** True when an index or key begins with these columns, in any order: equality on all of them can use it. */
const isIndexed = (table: Table, columns: readonly string[]): boolean =>
  indexesOf(table).some((key) => columns.every((name) => key.slice(0, columns.length).includes(name)));
