import type { CatalogChange } from "../catalog/history.ts";
import type { ColumnRules, RowRule } from "../catalog/rule.ts";
import type { Columns, Retention, Table } from "../catalog/table.ts";

type Tables = ReadonlyMap<string, Table>;

/** The tables as they were before a declared change. A change that does not fit them leaves them as they are; the lint tells. */
export function undoChange(tables: Tables, change: CatalogChange): Tables {
  switch (change.kind) {
    case "addedTable":
      return new Map([...tables].filter(([name]) => name !== change.table));
    case "droppedTable":
      return new Map([...tables, [change.table.name, change.table]]);
    case "renamedTable":
      return renameTable(tables, change.to, change.from);
    case "addedColumn":
      return withTable(tables, change.table, (table) => withoutColumn(table, change.column));
    case "droppedColumn":
      return withTable(tables, change.table, (table) => withColumns(table, { [change.column]: change.declared }));
    case "renamedColumn":
      return withTable(tables, change.table, (table) => renameColumn(table, change.to, change.from));
    case "convertedColumn":
      return withTable(tables, change.table, (table) => withColumns(table, { [change.column]: change.was }));
    case "changedRule":
      return withTable(tables, change.table, (table) => ({ ...table, rule: change.was }));
    case "tightened":
      break;
  }
  return tables;
}

function withTable(tables: Tables, name: string, change: (table: Table) => Table): Tables {
  const table = tables.get(name);
  return table === undefined ? tables : new Map([...tables, [name, change(table)]]);
}

const withColumns = (table: Table, columns: Columns): Table => ({ ...table, columns: { ...table.columns, ...columns } });

function renameTable(tables: Tables, name: string, to: string): Tables {
  const named = [...tables.values()].map((table) => ({
    ...table,
    name: table.name === name ? to : table.name,
    references: table.references.map((item) => (item.table === name ? { ...item, table: to } : item)),
  }));
  return new Map(named.map((table) => [table.name, table]));
}

/** The table without the column, and without what cannot be there without it. */
function withoutColumn(table: Table, column: string): Table {
  const without = <T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(record).filter(([name]) => name !== column));
  return {
    ...table,
    columns: without(table.columns),
    unique: table.unique.filter((item) => !item.columns.includes(column)),
    indexes: table.indexes.filter((item) => !item.some((part) => part.replace(/ desc$/i, "") === column)),
    references: table.references.filter((item) => !item.columns.includes(column)),
    scope: {
      ...without(Object.fromEntries(Object.entries(table.scope).filter(([, name]) => name !== column))),
      tenant: table.scope.tenant,
    },
    rule: { ...table.rule, columns: without(table.rule.columns) },
    hidden: Object.fromEntries(
      Object.entries(table.hidden).map(([tier, names]) => [tier, names.filter((name) => name !== column)]),
    ),
  };
}

function renameColumn(table: Table, from: string, to: string): Table {
  const name = (column: string): string => (column === from ? to : column);
  const names = (columns: readonly string[]): readonly string[] => columns.map(name);
  const keys = <T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(record).map(([column, value]) => [name(column), value]));
  const values = (record: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(record).map(([key, column]) => [key, name(column)]));
  const order = (item: string): string => (/ desc$/i.test(item) ? `${name(item.slice(0, -5))} desc` : name(item));
  return {
    ...table,
    columns: keys(table.columns),
    primaryKey: names(table.primaryKey),
    unique: table.unique.map((item) => ({ ...item, columns: names(item.columns) })),
    indexes: table.indexes.map((item) => item.map(order)),
    references: table.references.map((item) => ({ ...item, columns: names(item.columns) })),
    scope: { ...values(table.scope), tenant: name(table.scope.tenant) },
    partition: table.partition === null ? null : { ...table.partition, by: name(table.partition.by) },
    rule: renameInRule(table.rule, name, keys(table.rule.columns)),
    hidden: Object.fromEntries(Object.entries(table.hidden).map(([tier, columns]) => [tier, names(columns)])),
    retain: Object.fromEntries(Object.entries(table.retain).map(([tier, kept]) => [tier, renameInRetention(kept, name)])),
  };
}

const renameInRetention = (kept: Retention, name: (column: string) => string): Retention =>
  kept.kind === "forever" ? kept : { ...kept, column: name(kept.column) };

function renameInRule(rule: RowRule, name: (column: string) => string, columns: ColumnRules): RowRule {
  if (rule.kind === "monotoneRow") return { ...rule, by: name(rule.by), columns };
  if (rule.kind === "naturalKey") return { ...rule, key: rule.key.map(name), columns };
  return { ...rule, columns };
}
