import type { Conversion, Fill } from "../catalog/history.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { OPS_COLUMN } from "../merge/memory/row-ops.ts";
import { CHANGED_COLUMN, columnOf, SEEN_COLUMN, STAMPS_COLUMN, withColumn, withoutColumn } from "../merge/row-change.ts";

/** An entry of a stamps document that says: of unknown age. */
const UNKNOWN = ["0", ""] as const;

/** The change without a column. Rows of an update that changed nothing else are left out; null when none is left. */
export function removeColumn(change: Change, column: string): Change | null {
  if (!change.columns.includes(column)) return change;
  const without = mapPseudo(
    withoutColumn(change, column),
    (names) => names.filter((name) => name !== column),
    (document) => Object.fromEntries(Object.entries(document).filter(([name]) => name !== column)),
  );
  const changed = columnOf(without, CHANGED_COLUMN);
  if (change.op === "insert") return withoutFullMarks(without, changed);
  if (changed === undefined || !changed.includes("")) return without;
  const rows = [...changed.keys()].filter((row) => changed[row] !== "");
  return rows.length === 0 ? null : keepRows(without, rows);
}

export function renameColumn(change: Change, from: string, to: string): Change {
  // A delete has the key's columns alone, and says of the others what it saw.
  if (![from, STAMPS_COLUMN, SEEN_COLUMN].some((name) => change.columns.includes(name))) return change;
  return mapPseudo(
    { ...change, columns: change.columns.map((name) => (name === from ? to : name)) },
    (names) => names.map((name) => (name === from ? to : name)),
    (document) => Object.fromEntries(Object.entries(document).map(([name, value]) => [name === from ? to : name, value])),
  );
}

export function convertColumn(change: Change, column: string, convert: Conversion): Change {
  const place = change.columns.indexOf(column);
  if (place < 0) return change;
  return { ...change, values: change.values.map((vector, index) => (index === place ? vector.map(convert) : vector)) };
}

/**
 * The change with a column that its author does not have. Only inserts get it: an update leaves what is there. The value counts as
 * older than everything, so that what somebody else wrote into the same row wins, whichever comes first. `fill` undefined: the
 * database's own default.
 */
export function fillColumn(change: Change, column: string, fill: Fill | undefined): Change {
  if (change.op !== "insert" || change.columns.includes(column) || fill === undefined) return change;
  const valueOf = typeof fill === "function" ? fill : (): CellText => fill;
  const vector = Array.from({ length: change.rowCount }, (_, row) => valueOf((name) => columnOf(change, name)?.[row] ?? null));
  const written = change.columns.filter((name) => !name.startsWith("$")).join(",");
  const filled = withColumn(change, column, vector);
  if (columnOf(change, STAMPS_COLUMN) !== undefined) {
    return mapPseudo(filled, same, (document) => ({ ...document, [column]: UNKNOWN }), same);
  }
  if (columnOf(change, CHANGED_COLUMN) !== undefined) return filled;
  const marks = Array.from({ length: change.rowCount }, () => written);
  return withColumn(filled, CHANGED_COLUMN, marks);
}

/** An insert that marks every column of its own as written needs no marks. */
function withoutFullMarks(change: Change, marks: readonly CellText[] | undefined): Change {
  const all = change.columns.filter((name) => !name.startsWith("$")).join(",");
  if (marks === undefined || marks.some((list) => list !== all)) return change;
  return withoutColumn(change, CHANGED_COLUMN);
}

type Document = Readonly<Record<string, unknown>>;

const same = <T>(value: T): T => value;

/** Maps the columns' names in `$changed` and the entries of `$stamps`. */
function mapPseudo(
  change: Change,
  mapNames: (names: readonly string[]) => readonly string[],
  mapDocument: (document: Document) => Document,
  mapCells = mapDocument,
): Change {
  const values = change.columns.map((column, place) => {
    const vector = change.values[place] ?? [];
    if (column === CHANGED_COLUMN) return vector.map((list) => (list === null ? null : mapNames(list.split(",")).join(",")));
    if (column === OPS_COLUMN) return vector.map((text) => mapOps(text, mapCells));
    if (column === SEEN_COLUMN) return vector.map((text) => mapStamps(text, mapCells, mapCells));
    if (column !== STAMPS_COLUMN) return vector;
    return vector.map((text) => mapStamps(text, mapDocument, mapCells));
  });
  return { ...change, values };
}

/** Maps the columns of one row's operations; null when none is left. What a delete had seen stays. */
function mapOps(text: CellText, map: (ops: Document) => Document): CellText {
  if (text === null) return null;
  const ops = JSON.parse(text) as Document;
  if (Object.keys(ops).every((name) => name.startsWith("$"))) return text;
  const mapped = map(ops);
  return Object.keys(mapped).every((name) => name.startsWith("$")) ? null : JSON.stringify(mapped);
}

/** Maps the entries of a stamps document, and with `mapCells` the values that a deleted row left behind. */
function mapStamps(text: CellText, map: (document: Document) => Document, mapCells: (cells: Document) => Document): CellText {
  if (text === null) return null;
  const { $cells: cells, $memory: memory, ...stamps } = JSON.parse(text) as Document;
  return JSON.stringify({
    ...map(stamps),
    ...(cells === undefined ? {} : { $cells: mapCells(cells as Document) }),
    ...(memory === undefined ? {} : { $memory: mapCells(memory as Document) }),
  });
}

const keepRows = (change: Change, rows: readonly number[]): Change => ({
  ...change,
  values: change.values.map((vector) => rows.map((row) => vector[row] ?? null)),
  rowCount: rows.length,
});
