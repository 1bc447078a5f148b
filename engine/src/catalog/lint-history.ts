import { defaultValue } from "../lens/default-value.ts";
import { rowPlan } from "../merge/row-plan.ts";
import { undoChange } from "../lens/undo-change.ts";
import type { Catalog } from "./catalog.ts";
import type { CatalogChange, Fill } from "./history.ts";
import type { Column } from "./column.ts";
import type { Report } from "./lint-catalog.ts";
import type { Table } from "./table.ts";

type Tables = ReadonlyMap<string, Table>;

/** The history must name every version down to the oldest that is supported, and fit the tables. */
export function lintHistory(catalog: Catalog, report: Report): void {
  const { history, version, oldestVersion } = catalog;
  const listed = history.map((item) => item.version);
  if (listed.some((item, place) => item !== version - listed.length + 1 + place)) {
    report("history", `The history lists versions one by one, the oldest first, up to ${String(version)}.`);
    return;
  }
  if (version - listed.length > oldestVersion) {
    report(
      "history",
      `Version ${String(oldestVersion)} is supported, and the history begins above it. Declare what version ${String(version - listed.length)} and those before it changed, or raise oldestVersion.`,
    );
  }
  let tables: Tables = catalog.byName;
  for (const { version: of, changes } of history.toReversed()) {
    for (const change of changes.toReversed()) {
      const fault = faultOf(change, tables);
      if (fault !== null) report("history", `Version ${String(of)}, ${change.kind}: ${fault}`);
      tables = undoChange(tables, change);
    }
  }
}

/** What is wrong with a declared change, given the tables that it leaves; null when it fits. */
function faultOf(change: CatalogChange, after: Tables): string | null {
  switch (change.kind) {
    case "addedTable":
      return after.has(change.table) ? null : `there is no table ${change.table}.`;
    case "droppedTable":
      return after.has(change.table.name) ? `the table ${change.table.name} is still there.` : null;
    case "renamedTable":
      return faultOfTableName(change, after);
    case "addedColumn":
      return faultOfAdded(change, columnIn(after, change.table, change.column));
    case "droppedColumn":
      if (columnIn(after, change.table, change.column) !== null) return `${change.table}.${change.column} is still there.`;
      return after.has(change.table) ? faultOfFill(change, change.declared) : `there is no table ${change.table}.`;
    case "renamedColumn":
      return columnIn(after, change.table, change.to) === null ? `there is no column ${change.table}.${change.to}.` : null;
    case "convertedColumn":
      return faultOfConversion(change, after);
    case "changedRule":
      return faultOfRule(change, after);
    case "tightened":
      break;
  }
  return after.has(change.table) ? null : `there is no table ${change.table}.`;
}

const columnIn = (tables: Tables, table: string, column: string): Column | null => tables.get(table)?.columns[column] ?? null;

function faultOfTableName({ to }: Extract<CatalogChange, { kind: "renamedTable" }>, after: Tables): string | null {
  const table = after.get(to);
  if (table === undefined) return `there is no table ${to}.`;
  if (table.rule.kind !== "naturalKey") return null;
  return `the ids of ${to} are made from its name, so replicas with the old name would give equal keys other ids. Keep the name.`;
}

function faultOfAdded(change: Extract<CatalogChange, { kind: "addedColumn" }>, column: Column | null): string | null {
  if (column === null) return `there is no column ${change.table}.${change.column}.`;
  return faultOfFill(change, column);
}

function faultOfFill(
  change: { readonly table: string; readonly column: string; readonly fill: Fill | undefined },
  column: Column,
): string | null {
  if (change.fill === null && !column.isNullable) return `${change.table}.${change.column} cannot be null.`;
  if (change.fill !== undefined || defaultValue(column) !== undefined) return null;
  const why = column.defaultSql === null ? "NOT NULL without a default" : `computed by its default, ${column.defaultSql}`;
  return `${change.table}.${change.column} is ${why}, so rows of replicas that lack it would have no value or another on each. Make it nullable, give it a plain default, or say with fill what they hold.`;
}

function faultOfRule({ table: name, was }: Extract<CatalogChange, { kind: "changedRule" }>, after: Tables): string | null {
  const table = after.get(name);
  if (table === undefined) return `there is no table ${name}.`;
  const remembering = (of: Table): string => [...rowPlan(of).memory.keys()].toSorted().join(",");
  if (remembering(table) === remembering({ ...table, rule: was })) return null;
  return `a column of ${name} began or ceased to merge operations, which the other version does not write. Add another column for it.`;
}

function faultOfConversion(
  { table: name, column }: Extract<CatalogChange, { kind: "convertedColumn" }>,
  after: Tables,
): string | null {
  const table = after.get(name);
  if (table?.columns[column] === undefined) return `there is no column ${name}.${column}.`;
  const isKey = table.primaryKey.includes(column) || (table.rule.kind === "naturalKey" && table.rule.key.includes(column));
  return isKey ? `${name}.${column} belongs to the key, which names rows and cannot be converted. Add another column.` : null;
}
