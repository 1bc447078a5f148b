import type { Table } from "../catalog/table.ts";
import { columnRuleOf } from "../catalog/table-facts.ts";
import type { ColumnRule, Lattice, Shown } from "../catalog/rule.ts";
import type { CellText } from "../commit/commit.ts";
import { compareValues } from "../merge/compare-values.ts";
import type { Json } from "../merge/memory/memory.ts";
import type { SqlType } from "../catalog/column.ts";

/** One statement on one row, as whoever made it knows it: nothing of merging. */
export interface NaiveWrite {
  readonly kind: "insert" | "update" | "delete";
  /** The commit: a number that grows with time, and its node. */
  readonly stamp: bigint;
  readonly node: string;
  /** The statement's place in its commit. */
  readonly at: number;
  readonly tier: string;
  /** Columns that it set, with their values. */
  readonly cells: ReadonlyMap<string, CellText>;
  /** What it did to columns that merge operations: a counter's difference, what a set got and lost, a version. */
  readonly ops: ReadonlyMap<string, Json>;
  /** Whether its writer knew of another statement. */
  readonly knew: (other: NaiveWrite) => boolean;
}

/** The row that a set of statements makes: null when it is not there, else the value of each column that anybody set. */
export type NaiveRow = Readonly<Record<string, CellText>> | null;

const order = (left: NaiveWrite, right: NaiveWrite): number =>
  left.stamp === right.stamp
    ? left.node < right.node
      ? -1
      : left.node > right.node
        ? 1
        : left.at - right.at
    : left.stamp < right.stamp
      ? -1
      : 1;
const sameCommit = (left: NaiveWrite, right: NaiveWrite): boolean => left.stamp === right.stamp && left.node === right.node;
const laterThan = (left: NaiveWrite, right: NaiveWrite): boolean => !sameCommit(left, right) && order(left, right) > 0;

/**
 * The row by the definition of each rule, worked out anew from the set of all statements: no state that is carried on, no join, no
 * order of arrival, no stamps of cells. Slow, and made to be read. What production makes of the same statements in whatever order
 * has to be this.
 */
export function naiveRow(table: Table, writes: readonly NaiveWrite[]): NaiveRow {
  const all = effective([...writes].sort(order));
  const standing: NaiveWrite[] = [];
  const row: Record<string, CellText> = {};
  for (const column of Object.keys(table.columns)) {
    const rule = columnRuleOf(table, column);
    const type = table.columns[column]?.type;
    if (table.primaryKey.includes(column) || rule === null || type === undefined) continue;
    const found = cellOf(rule, type, column, all);
    if (found === null) continue;
    row[column] = found.value;
    if (found.by !== null) standing.push(found.by);
  }
  return isThere(table, all, standing) ? row : null;
}

/** Of what one commit did to a cell, or to the row's being there, its last statement counts; operations all count. */
function effective(all: readonly NaiveWrite[]): readonly NaiveWrite[] {
  return all.map((write) => {
    const after = all.filter((other) => sameCommit(other, write) && other.at > write.at);
    const cells = new Map([...write.cells].filter(([column]) => !after.some((other) => other.cells.has(column))));
    return { ...write, cells, original: write, undone: write.kind === "delete" && after.some(({ kind }) => kind === "insert") };
  });
}

interface Effective extends NaiveWrite {
  readonly original?: NaiveWrite;
  readonly undone?: boolean;
}

const knewOf = (write: Effective, other: Effective): boolean => write.knew(other.original ?? other);

interface Cell {
  readonly value: CellText;
  /** The statement that counts as the one that wrote it last; null: nobody wrote this value. */
  readonly by: NaiveWrite | null;
}

function cellOf(rule: ColumnRule, type: SqlType, column: string, all: readonly NaiveWrite[]): Cell | null {
  const writes = all.flatMap((write) => {
    const value = write.cells.get(column);
    return value === undefined ? [] : [{ value, by: write }];
  });
  const ops = all.flatMap((write) => {
    const op = write.ops.get(column);
    return op === undefined ? [] : [{ op, by: write }];
  });
  const last = ops.at(-1)?.by;
  switch (rule.kind) {
    case "lastWriterWins":
    case "singleWriter":
      return writes.at(-1) ?? null;
    case "setOnce":
      return writes.find(({ value }) => value !== null) ?? writes.at(-1) ?? null;
    case "monotone":
      return monotoneCell(rule.order, type, writes);
    case "counter": {
      if (last === undefined) return null;
      return { value: String(ops.reduce((sum, { op }) => sum + Number(op), 0)), by: last };
    }
    case "setUnion":
      return last === undefined ? null : { value: setOf(ops), by: last };
    case "review": {
      const left = versions(ops);
      return last === undefined ? null : { value: shown(left, rule.show, type), by: last };
    }
    case "custom": {
      if (last === undefined) return null;
      const left = versions(ops);
      const values = left.map(({ op, by }) => ({
        value: textOr(op),
        stamp: by.stamp,
        node: by.node,
        tier: by.tier,
        author: null,
      }));
      return { value: left.length < 2 ? textOr(left[0]?.op) : rule.rule.resolve(values), by: last };
    }
    case "document":
    case "derived":
      break;
  }
  throw new TypeError(`no definition for ${rule.kind}`);
}

const textOr = (op: Json | undefined): CellText => (typeof op === "string" ? op : null);

function monotoneCell(wanted: "max" | "min" | "or" | Lattice, type: SqlType, writes: readonly Cell[]): Cell | null {
  const last = writes.at(-1);
  if (last === undefined) return null;
  if (typeof wanted === "object") {
    const values = [...new Set(writes.flatMap(({ value }) => (value === null ? [] : [value])))];
    const value = values.length === 0 ? null : leastAbove(wanted.lattice, values);
    return writes.findLast((cell) => cell.value === value) ?? { value, by: null };
  }
  const direction = wanted === "min" ? -1 : 1;
  const set = writes.filter(({ value }) => value !== null);
  if (set.length === 0) return last;
  const best = set.reduce((most, cell) => (compareValues(type, cell.value, most.value) * direction > 0 ? cell : most));
  return set.findLast(({ value }) => compareValues(type, value, best.value) === 0) ?? null;
}

/** The value that all lead to and that leads to every other such value. */
function leastAbove(lattice: Lattice["lattice"], values: readonly string[]): string {
  const leads = (from: string, to: string): boolean => from === to || (lattice[from] ?? []).some((next) => leads(next, to));
  const above = Object.keys(lattice).filter((name) => values.every((value) => leads(value, name)));
  const least = above.find((name) => above.every((other) => leads(name, other)));
  if (least === undefined) throw new TypeError(`no value above ${values.join()}`);
  return least;
}

interface Op {
  readonly op: Json;
  readonly by: Effective;
}

const listOf = (op: Json, name: "add" | "remove"): readonly string[] => {
  const list: unknown = typeof op === "object" && op !== null ? (op as Readonly<Record<string, unknown>>)[name] : undefined;
  return Array.isArray(list) ? (list as readonly string[]) : [];
};

/** An element is in the set when somebody added it and nobody who knew of that took it away. */
function setOf(ops: readonly Op[]): string {
  const added = ops.flatMap(({ op, by }) => listOf(op, "add").map((element) => ({ element, by })));
  const left = added.filter(
    ({ element, by }) => !ops.some((other) => listOf(other.op, "remove").includes(element) && knewOf(other.by, by)),
  );
  return JSON.stringify([...new Set(left.map(({ element }) => element))].sort()).replaceAll('","', '", "');
}

/** What somebody wrote and nobody who knew of it has replaced. */
const versions = (ops: readonly Op[]): readonly Op[] => ops.filter(({ by }) => !ops.some((other) => knewOf(other.by, by)));

function shown(left: readonly Op[], show: Shown, type: SqlType): CellText {
  if (typeof show === "object") return textOr((left.findLast(({ by }) => by.tier === show.tier) ?? left.at(-1))?.op);
  if (show === "first") return textOr(left[0]?.op);
  if (show === "last") return textOr(left.at(-1)?.op);
  const values = left.map(({ op }) => textOr(op)).sort((a, b) => compareValues(type, a, b));
  return (show === "max" ? values.at(-1) : values[0]) ?? null;
}

function isThere(table: Table, all: readonly Effective[], standing: readonly NaiveWrite[]): boolean {
  const deletes = all.filter(({ kind, undone }) => kind === "delete" && undone !== true);
  const last = deletes.at(-1);
  if (last === undefined) return standing.length > 0;
  switch (table.deletes) {
    case "deleteWins": {
      const insert = all.findLast(({ kind }) => kind === "insert");
      return insert !== undefined && laterThan(insert, last);
    }
    case "updateWins":
      return standing.some((write) => !deletes.some((one) => sameCommit(one, write) || knewOf(one, write)));
    case "later":
      break;
  }
  return standing.some((write) => laterThan(write, last));
}
