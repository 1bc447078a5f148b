import type { CellText, Change } from "../commit/commit.ts";
import { EMPTY_MEMORY, joinSeen, type MemoryEntry, NOTHING_SEEN } from "./memory/memory.ts";
import { memoryRegister, registerWithout } from "./memory/memory-rule.ts";
import { OPS_COLUMN, readOps } from "./memory/row-ops.ts";
import { compareStamps, type Register, type Stamp, type Written } from "./register.ts";
import type { RowPlan } from "./row-plan.ts";
import { EMPTY_ROW, readRowState, UNKNOWN_STAMP, type RowState, type RowValues } from "./row-state.ts";

/** Separates the values of a primary key in `row_key`. */
export const KEY_SEPARATOR = "\u001f";

/** Per row, names of the columns that an update changed, or that an insert of an older version has. */
export const CHANGED_COLUMN = "$changed";
/** Per row, the whole `stamps` document: the row is the authority's state, not an edit. Only truth rows carry it. */
export const STAMPS_COLUMN = "$stamps";

/**
 * Per row, the stamp and node of a refused commit, as `stamp node`: the row is the authority's answer to it, and what that
 * commit wrote is forgotten before the answer is merged. Only truth rows carry it.
 */
export const REFUSED_COLUMN = "$refused";

/**
 * Per row, a stamps document of what the writer saw: the registers that an update replaced, all registers of a deleted row, the
 * tombstone that an insert went over. By it every replica tells a value that was overwritten knowingly from one that lost.
 */
export const SEEN_COLUMN = "$seen";

/**
 * In `$refused`: the row takes the place of what is here, whatever the rule says. A replica whose version has another rule for the
 * table is sent rows in this way.
 */
const REPLACED = "*";

/** Marks every row of a truth change as one that replaces. */
export const asReplacement = (change: Change): Change =>
  withColumn(
    withoutColumn(change, REFUSED_COLUMN),
    REFUSED_COLUMN,
    Array.from({ length: change.rowCount }, () => REPLACED),
  );

/** Marks every row of a truth change that is not marked yet: what was written under the stamp is taken back first. */
export function takingBack(change: Change, { stamp, node }: Stamp): Change {
  const marks = columnOf(change, REFUSED_COLUMN) ?? [];
  return withColumn(
    withoutColumn(change, REFUSED_COLUMN),
    REFUSED_COLUMN,
    Array.from({ length: change.rowCount }, (_, row) => marks[row] ?? `${String(stamp)} ${node}`),
  );
}

/** True when some row of the change takes back or replaces what is there, so that joining alone would end otherwise. */
export const takesBack = (change: Change): boolean => columnOf(change, REFUSED_COLUMN)?.some((mark) => mark !== null) === true;

/** True when some row of the change replaces what is there. */
export const hasReplacement = (change: Change): boolean => columnOf(change, REFUSED_COLUMN)?.includes(REPLACED) === true;

/** True when a row of a change replaces what is there. */
export const isReplacement = (change: Change, row: number): boolean => columnOf(change, REFUSED_COLUMN)?.[row] === REPLACED;

/** The change, joining and not replacing where the row is one of the given keys. */
export function joiningWhere(change: Change, plan: RowPlan, keys: ReadonlySet<string>): Change {
  if (keys.size === 0 || !hasReplacement(change)) return change;
  const names = rowKeys(change, plan);
  const marks = columnOf(change, REFUSED_COLUMN) ?? [];
  return withColumn(
    withoutColumn(change, REFUSED_COLUMN),
    REFUSED_COLUMN,
    marks.map((mark, row) => (mark === REPLACED && keys.has(names[row] ?? "") ? null : mark)),
  );
}

/** The vector of a column, or undefined when the change does not carry it. */
export function columnOf(change: Change, column: string): readonly CellText[] | undefined {
  const index = change.columns.indexOf(column);
  return index < 0 ? undefined : change.values[index];
}

/** The change with one more column. */
export const withColumn = (change: Change, column: string, vector: readonly CellText[]): Change => ({
  ...change,
  columns: [...change.columns, column],
  values: [...change.values, vector],
});

/** The change without a column; itself when it does not carry it. */
export function withoutColumn(change: Change, column: string): Change {
  const place = change.columns.indexOf(column);
  if (place < 0) return change;
  return {
    ...change,
    columns: change.columns.filter((_, index) => index !== place),
    values: change.values.filter((_, index) => index !== place),
  };
}

/** The change with only some of its rows. */
export const withRows = (change: Change, rows: readonly number[]): Change => ({
  ...change,
  rowCount: rows.length,
  values: change.values.map((vector) => rows.map((row) => vector[row] ?? null)),
});

/** The primary key without the tenant of every row of a change, as `row_key`. */
export function rowKeys(change: Change, plan: RowPlan): readonly string[] {
  const vectors = plan.keyColumns.map((column) => columnOf(change, column) ?? []);
  const [only] = vectors;
  if (vectors.length === 1 && only !== undefined) return only.map((value) => value ?? "");
  return Array.from({ length: change.rowCount }, (_, row) => vectors.map((vector) => vector[row] ?? "").join(KEY_SEPARATOR));
}

/** The values of one row of a change by column name, pseudo columns left out. */
export function rowValues(change: Change, row: number): RowValues {
  const values = new Map<string, CellText>();
  for (const [index, column] of change.columns.entries()) {
    if (!column.startsWith("$")) values.set(column, change.values[index]?.[row] ?? null);
  }
  return values;
}

/** The stamp that one row of a truth change takes back; null for any other change. */
export function takenBack(change: Change, row: number): Stamp | null {
  const text = columnOf(change, REFUSED_COLUMN)?.[row];
  if (text === undefined || text === null || text === REPLACED) return null;
  const [stamp = "0", node = ""] = text.split(" ");
  return { stamp: BigInt(stamp), node };
}

/** The state without what was written under a stamp. */
export function withoutStamp(state: RowState, stamp: Stamp, plan: RowPlan): RowState {
  const isIt = (other: Stamp): boolean => compareStamps(other, stamp) === 0;
  const cells = new Map<string, Register>();
  for (const [column, register] of state.cells) {
    const rule = plan.memory.get(column);
    const left = rule !== undefined ? registerWithout(rule, register, stamp) : isIt(register) ? null : register;
    if (left !== null) cells.set(column, left);
  }
  const left = { ...state, cells, deleted: state.deleted !== null && isIt(state.deleted) ? null : state.deleted };
  if (state.inserted != null && isIt(state.inserted)) return { ...left, inserted: null };
  // A tombstone that is taken back takes what it had seen with it; the authority's answer says what others have deleted.
  return left.deleted === null && state.gone !== undefined ? { ...left, gone: NOTHING_SEEN } : left;
}

/** Which columns a change wrote; null when it does not say, that is all of them. */
function changedColumns(change: Change, row: number): ReadonlySet<string> | null {
  const changed = columnOf(change, CHANGED_COLUMN)?.[row];
  return changed === undefined || changed === null ? null : new Set(changed.split(","));
}

/**
 * The state that one row of a change stands for. An insert stamps every column; an update stamps what it changed, and what it
 * only saw is of unknown age (for `monotoneRow` the image is one whole); a delete is a tombstone. Evictions are not merged.
 */
export function stateOfChange(change: Change, row: number, written: Written, plan: RowPlan): RowState {
  const document = columnOf(change, STAMPS_COLUMN)?.[row];
  if (document !== undefined && document !== null) {
    return readRowState(change.op === "delete" ? null : rowValues(change, row), document, plan);
  }
  const mark = { stamp: written.stamp, node: written.node };
  if (change.op === "delete") return tombstoneOf(change, row, mark, plan);
  const changed = changedColumns(change, row);
  const values = rowValues(change, row);
  const remembered = memoriesOfChange(change, row, written, plan);
  const cells = new Map<string, Register>();
  for (const column of plan.cellColumns) {
    const memory = remembered.get(column);
    if (memory !== undefined) cells.set(column, memory);
    const value = values.get(column);
    if (value === undefined || memory !== undefined) continue;
    const known = changed === null || changed.has(column) || plan.group?.columns.has(column) === true;
    const { stamp, node } = known ? written : UNKNOWN_STAMP;
    cells.set(column, { value, stamp, node });
  }
  return plan.table.deletes === "deleteWins" && change.op === "insert"
    ? { cells, deleted: null, inserted: mark }
    : { cells, deleted: null };
}

/** A delete, with what its writer had seen of the row where that decides. */
function tombstoneOf(change: Change, row: number, deleted: Stamp, plan: RowPlan): RowState {
  if (plan.table.deletes !== "updateWins") return { ...EMPTY_ROW, deleted };
  const text = columnOf(change, OPS_COLUMN)?.[row] ?? null;
  const seen = text === null ? NOTHING_SEEN : readOps(text).seen;
  const before = [...seen].map(([node, stamp]) => [node, stamp < deleted.stamp ? stamp : deleted.stamp] as const);
  return { ...EMPTY_ROW, deleted, gone: joinSeen(new Map(before), new Map([[deleted.node, deleted.stamp]])) };
}

/** The registers of the cells that the row's operations speak of. */
function memoriesOfChange(change: Change, row: number, written: Written, plan: RowPlan): ReadonlyMap<string, Register> {
  const text = plan.memory.size === 0 ? undefined : columnOf(change, OPS_COLUMN)?.[row];
  if (text === undefined || text === null) return new Map();
  const { at, seen, ops } = readOps(text);
  const cells = new Map<string, Register>();
  for (const [column, op] of ops) {
    const rule = plan.memory.get(column);
    if (rule === undefined) continue;
    const { author = null, tier = null } = rule.keepsAuthor ? written : {};
    const { stamp, node } = written;
    const entry: MemoryEntry = {
      stamp,
      node,
      at,
      isFirst: change.op === "insert",
      op,
      seen: rule.needsSeen ? seen : NOTHING_SEEN,
      author,
      tier,
    };
    cells.set(column, memoryRegister(rule, { ...EMPTY_MEMORY, entries: [entry] }, written));
  }
  return cells;
}
