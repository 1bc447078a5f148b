import type { Catalog } from "./catalog.ts";
import { hasMemory, type ColumnRule } from "./rule.ts";
import type { Table } from "./table.ts";

/** True when changes of the table are captured and travel: not `derived`, `local` or top-only. */
export function isReplicated(table: Table): boolean {
  return table.rule.kind !== "derived" && table.rule.kind !== "local" && table.flow !== "top" && table.flow !== "local";
}

/**
 * The rule that decides one column: its own override, or what the table's rule means for a single column. Columns of
 * `appendOnly`, `derived` and `local` tables without an override have none.
 */
export function columnRuleOf(table: Table, column: string): ColumnRule | null {
  const { rule } = table;
  const own = rule.columns[column];
  if (own !== undefined) return own;
  if (rule.kind === "singleWriter") return { kind: "singleWriter", tier: rule.tier };
  if (rule.kind === "naturalKey") return rule.rest;
  if (rule.kind === "lastWriterWins" || rule.kind === "monotoneRow") return { kind: "lastWriterWins" };
  return null;
}

/** Columns that changes carry, in catalog order: all but derived ones. */
export function capturedColumns(table: Table): readonly string[] {
  return Object.keys(table.columns).filter((name) => table.rule.columns[name]?.kind !== "derived");
}

/** Columns whose rules merge operations, in catalog order: writes of them are captured as what they did. */
export function memoryColumns(table: Table): readonly string[] {
  if (!isReplicated(table)) return [];
  return Object.keys(table.columns).filter((name) => {
    const own = table.rule.columns[name];
    return own !== undefined && hasMemory(own);
  });
}

/** Columns that deletes and evictions carry, in catalog order: the primary key and the scope columns. */
export function identityColumns(table: Table): readonly string[] {
  const wanted = new Set([...table.primaryKey, ...Object.values(table.scope)]);
  return Object.keys(table.columns).filter((name) => wanted.has(name));
}

/** Scope columns below the tenant that a row may change, so that it moves to another scope. */
export function movingColumns(table: Table): readonly string[] {
  const scoped = new Set(Object.entries(table.scope).flatMap(([dimension, column]) => (dimension === "tenant" ? [] : [column])));
  return Object.keys(table.columns).filter((name) => scoped.has(name) && !table.primaryKey.includes(name));
}

/** The primary key less the tenant: the columns of `row_key`. */
export function rowKeyColumns(table: Table): readonly string[] {
  return table.primaryKey.filter((name) => name !== table.scope.tenant);
}

/** True when `hayloft.row_state` keeps stamps for the table's rows. */
export function keepsRowState(table: Table): boolean {
  if (!isReplicated(table)) return false;
  const { rule } = table;
  if (rule.kind === "lastWriterWins" || rule.kind === "naturalKey" || rule.kind === "monotoneRow") return true;
  return Object.values(rule.columns).some((own) => own.kind !== "derived");
}

/** True when deleted rows of the table leave a tombstone with their values: tables with stamps, and those that others refer to. */
export function keepsTombstones(catalog: Catalog, table: Table): boolean {
  if (keepsRowState(table)) return true;
  return (
    isReplicated(table) && catalog.tables.some(({ references }) => references.some((reference) => reference.table === table.name))
  );
}
