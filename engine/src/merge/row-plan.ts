import type { Column, SqlType } from "../catalog/column.ts";
import type { ColumnRule, RowRule } from "../catalog/rule.ts";
import type { Table } from "../catalog/table.ts";
import { capturedColumns, keepsRowState, rowKeyColumns } from "../catalog/table-facts.ts";
import { joinAppendOnly } from "./append-only.ts";
import { joinLastWriterWins } from "./last-writer-wins.ts";
import { joinByMemory, type MemoryRule, memoryRuleOf } from "./memory/memory-rule.ts";
import { joinMonotone } from "./monotone.ts";
import type { Join } from "./register.ts";
import { joinSetOnce } from "./set-once.ts";
import { joinSingleWriter } from "./single-writer.ts";

/** Everything that merging, reading and writing rows of a table needs to know, worked out once from its declaration. */
export interface RowPlan {
  readonly table: Table;
  readonly tenantColumn: string;
  /** The primary key without the tenant. */
  readonly keyColumns: readonly string[];
  /** Columns that replicate, in catalog order. */
  readonly columns: readonly string[];
  /** Columns that replicate and are not part of the primary key. */
  readonly cellColumns: readonly string[];
  /** True when rows are merged column by column with stamps; false when the set-based write decides alone. */
  readonly merges: boolean;
  /** The column that decides whole rows, and the columns that come with it (`monotoneRow`); null for other rules. */
  readonly group: { readonly by: string; readonly byType: SqlType; readonly columns: ReadonlySet<string> } | null;
  /** The columns whose later write outlives a delete; null: all. */
  readonly presence: ReadonlySet<string> | null;
  /** Columns that never change once the row is there. */
  readonly immutable: ReadonlySet<string>;
  /** The columns that merge operations, with their rules. */
  readonly memory: ReadonlyMap<string, MemoryRule>;
  readonly ruleOf: (column: string) => ColumnRule | RowRule;
  readonly joinOf: (column: string) => Join;
}

function joinOfColumnRule(rule: ColumnRule, column: Column): Join {
  switch (rule.kind) {
    case "lastWriterWins":
    case "derived":
    case "counter":
    case "document":
    case "setUnion":
    case "review":
    case "custom":
      break;
    case "singleWriter":
      return joinSingleWriter;
    case "setOnce":
      return joinSetOnce;
    case "monotone":
      return joinMonotone(column.type, rule.order);
  }
  return joinLastWriterWins;
}

function joinOfRowRule(rule: RowRule, column: Column): Join {
  if (rule.kind === "appendOnly") return joinAppendOnly;
  return rule.kind === "naturalKey" ? joinOfColumnRule(rule.rest, column) : joinLastWriterWins;
}

/** Under `singleWriter` columns with a rule of their own may be written by tiers that may not insert rows. */
function presenceColumns(rule: RowRule, cellColumns: readonly string[]): ReadonlySet<string> | null {
  if (rule.kind !== "singleWriter") return null;
  const base = cellColumns.filter((name) => rule.columns[name] === undefined);
  return base.length === 0 || base.length === cellColumns.length ? null : new Set(base);
}

function makePlan(table: Table): RowPlan {
  const { rule } = table;
  const columns = capturedColumns(table);
  const keyColumns = rowKeyColumns(table);
  const key = new Set(table.primaryKey);
  const cellColumns = columns.filter((name) => !key.has(name));
  const naturalKey = new Set(rule.kind === "naturalKey" ? rule.key : []);
  const immutable = new Set(
    cellColumns.filter((name) => naturalKey.has(name) || (rule.kind === "appendOnly" && rule.columns[name] === undefined)),
  );
  const joins = new Map<string, Join>();
  const memory = new Map<string, MemoryRule>();
  for (const name of cellColumns) {
    const column = table.columns[name];
    if (column === undefined) continue;
    const own = rule.columns[name];
    const remembers = own === undefined || immutable.has(name) ? null : memoryRuleOf(own, column);
    if (remembers !== null) memory.set(name, remembers);
    if (immutable.has(name)) joins.set(name, joinAppendOnly);
    else if (remembers !== null) joins.set(name, joinByMemory(remembers));
    else joins.set(name, own === undefined ? joinOfRowRule(rule, column) : joinOfColumnRule(own, column));
  }
  const by = rule.kind === "monotoneRow" ? table.columns[rule.by] : undefined;
  return {
    table,
    tenantColumn: table.scope.tenant,
    keyColumns,
    columns,
    cellColumns,
    merges: keepsRowState(table),
    group:
      rule.kind !== "monotoneRow" || by === undefined
        ? null
        : { by: rule.by, byType: by.type, columns: new Set(cellColumns.filter((name) => rule.columns[name] === undefined)) },
    presence: presenceColumns(rule, cellColumns),
    immutable,
    memory,
    ruleOf: (column) => rule.columns[column] ?? (rule.kind === "naturalKey" ? rule.rest : rule),
    joinOf: (column) => joins.get(column) ?? joinLastWriterWins,
  };
}

const plans = new WeakMap<Table, RowPlan>();

/** The plan of a table; made once per table. */
export function rowPlan(table: Table): RowPlan {
  const known = plans.get(table);
  if (known !== undefined) return known;
  const plan = makePlan(table);
  plans.set(table, plan);
  return plan;
}
