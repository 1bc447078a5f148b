import type { CellText } from "../../commit/commit.ts";
import { invalid } from "../invalid.ts";
import type { BodyBudget } from "./body-budget.ts";
import { charactersOf } from "./body-budget.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { readDecimals, writeDecimals } from "./decimal-column.ts";
import { readTexts, writeTexts } from "./text-column.ts";
import { readDates, readTimestamps, writeDates, writeTimestamps } from "./time-column.ts";
import { readUuids, writeUuids } from "./uuid-column.ts";

/** How a column's values are written; the first byte of the column. */
export const COLUMN_KINDS = {
  /** Every value is null; nothing follows. */
  none: 0,
  /** Every value that is not null is the one that follows. */
  constant: 1,
  /** Up to 256 distinct values, then one byte per value. */
  dictionary: 2,
  uuid: 3,
  decimal: 4,
  timestamp: 5,
  date: 6,
  text: 7,
  /** The same as an earlier column of the block, whose number follows. */
  same: 8,
} as const;

/** Added to the kind when some values are null: a bitmap (lowest bit first, 1 is null) comes before the values. */
export const NULLS = 0x80;

const DICTIONARY_MAX = 256;
/** A dictionary must spare at least three of four values, or their own form is shorter. */
const DICTIONARY_SHARE = 4;

type Column = readonly CellText[];

/** Writes one column. Always exact: a value that has no shorter form goes as text. `earlier`: the block's columns before. */
export function writeColumn(writer: ByteWriter, column: Column, earlier: readonly Column[]): void {
  const same = findSame(column, earlier);
  if (same >= 0) {
    writer.byte(COLUMN_KINDS.same);
    writer.unsigned(same);
    return;
  }
  const values = withoutNulls(column);
  if (values.length === 0) {
    writer.byte(COLUMN_KINDS.none);
    return;
  }
  const nulls = values.length < column.length ? NULLS : 0;
  const body = (kind: number): void => {
    writer.byte(kind | nulls);
    if (nulls !== 0) writeBitmap(writer, column);
  };
  const first = values[0] ?? "";
  if (isConstant(values, first)) {
    body(COLUMN_KINDS.constant);
    writer.text(first);
    return;
  }
  const dictionary = buildDictionary(values);
  if (dictionary !== null) {
    body(COLUMN_KINDS.dictionary);
    writeDictionary(writer, dictionary);
    return;
  }
  writeValues(writer, values, first, body);
}

/** Tries the form that the first value suggests. The kind is written first, so a failed try is taken back. */
function writeValues(writer: ByteWriter, values: readonly string[], first: string, head: (kind: number) => void): void {
  const kind = suggestedKind(first);
  const start = writer.length;
  head(kind);
  const fits =
    kind === COLUMN_KINDS.uuid
      ? writeUuids(writer, values)
      : kind === COLUMN_KINDS.timestamp
        ? writeTimestamps(writer, values)
        : kind === COLUMN_KINDS.date
          ? writeDates(writer, values)
          : kind === COLUMN_KINDS.decimal
            ? writeDecimals(writer, values)
            : false;
  if (fits) return;
  writer.rewind(start);
  head(COLUMN_KINDS.text);
  writeTexts(writer, values);
}

const DASH = 45;
const ZERO = 48;
const NINE = 57;

function suggestedKind(first: string): number {
  const length = first.length;
  if (length === 36 && first.charCodeAt(8) === DASH) return COLUMN_KINDS.uuid;
  const code = first.charCodeAt(0);
  if (code !== DASH && !(code >= ZERO && code <= NINE)) return COLUMN_KINDS.text;
  if (first.charCodeAt(4) === DASH) return length === 10 ? COLUMN_KINDS.date : COLUMN_KINDS.timestamp;
  return COLUMN_KINDS.decimal;
}

function findSame(column: Column, earlier: readonly Column[]): number {
  const last = column.length - 1;
  // One value, or none at all, is shorter as itself.
  if (last < 1) return -1;
  for (let index = 0; index < earlier.length; index += 1) {
    const other = earlier[index];
    if (other === undefined || other[0] !== column[0] || other[last] !== column[last]) continue;
    let at = 1;
    while (at < last && other[at] === column[at]) at += 1;
    if (at === last) return index;
  }
  return -1;
}

function withoutNulls(column: Column): readonly string[] {
  for (let index = 0; index < column.length; index += 1) {
    if (column[index] === null) return column.filter((value) => value !== null);
  }
  // No null among them: the same array, seen as what it holds.
  return column as readonly string[];
}

function isConstant(values: readonly string[], first: string): boolean {
  for (let index = 1; index < values.length; index += 1) if (values[index] !== first) return false;
  return true;
}

interface Dictionary {
  readonly words: readonly string[];
  readonly codes: Uint8Array;
}

function buildDictionary(values: readonly string[]): Dictionary | null {
  const wordsMax = Math.min(DICTIONARY_MAX, Math.floor(values.length / DICTIONARY_SHARE));
  if (wordsMax < 2) return null;
  const known = new Map<string, number>();
  const codes = new Uint8Array(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? "";
    let code = known.get(value);
    if (code === undefined) {
      code = known.size;
      if (code === wordsMax) return null;
      known.set(value, code);
    }
    codes[index] = code;
  }
  return { words: [...known.keys()], codes };
}

function writeDictionary(writer: ByteWriter, { words, codes }: Dictionary): void {
  writer.unsigned(words.length);
  writeTexts(writer, words);
  writer.bytes(codes);
}

function readDictionary(reader: ByteReader, count: number): string[] {
  const size = reader.unsigned();
  if (size < 1 || size > DICTIONARY_MAX) throw invalid("body", `a dictionary of 1 to ${String(DICTIONARY_MAX)} values`);
  const words = readTexts(reader, size);
  const codes = reader.bytes(count);
  const values: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const word = words[codes[index] ?? 0];
    if (word === undefined) throw invalid("body", "a value of the dictionary");
    values.push(word);
  }
  return values;
}

function writeBitmap(writer: ByteWriter, column: Column): void {
  const bitmap = new Uint8Array((column.length + 7) >> 3);
  for (let index = 0; index < column.length; index += 1) {
    if (column[index] === null) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  }
  writer.bytes(bitmap);
}

/** Reads one column of `count` values; the caller has bounded `count`, the budget bounds the characters. */
export function readColumn(reader: ByteReader, count: number, earlier: readonly Column[], budget: BodyBudget): Column {
  const head = reader.byte();
  if (head === COLUMN_KINDS.none) return repeated<CellText>(null, count);
  if (head === COLUMN_KINDS.same) {
    const other = earlier[reader.unsigned()];
    if (other === undefined) throw invalid("body", "the number of an earlier column");
    budget.addCharacters(charactersOf(other));
    return other;
  }
  if ((head & NULLS) === 0) return readValues(reader, head, count, budget);
  const bitmap = reader.bytes((count + 7) >> 3);
  let nulls = 0;
  for (let index = 0; index < count; index += 1) nulls += ((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1;
  const values = readValues(reader, head & ~NULLS, count - nulls, budget);
  const column: CellText[] = [];
  for (let index = 0, next = 0; index < count; index += 1) {
    if ((((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1) {
      column.push(null);
    } else {
      column.push(values[next] ?? null);
      next += 1;
    }
  }
  return column;
}

function repeated<T>(value: T, count: number): T[] {
  const values: T[] = [];
  for (let index = 0; index < count; index += 1) values.push(value);
  return values;
}

function readValues(reader: ByteReader, kind: number, count: number, budget: BodyBudget): string[] {
  if (kind === COLUMN_KINDS.constant) {
    const value = reader.text(Number.MAX_SAFE_INTEGER);
    budget.addCharacters(value.length * count);
    return repeated(value, count);
  }
  const values = readDistinct(reader, kind, count);
  budget.addCharacters(charactersOf(values));
  return values;
}

/** Values that each take at least a byte, so that their number is bounded by the body. */
function readDistinct(reader: ByteReader, kind: number, count: number): string[] {
  switch (kind) {
    case COLUMN_KINDS.dictionary:
      return readDictionary(reader, count);
    case COLUMN_KINDS.uuid:
      return readUuids(reader, count);
    case COLUMN_KINDS.decimal:
      return readDecimals(reader, count);
    case COLUMN_KINDS.timestamp:
      return readTimestamps(reader, count);
    case COLUMN_KINDS.date:
      return readDates(reader, count);
    case COLUMN_KINDS.text:
      return readTexts(reader, count);
    default:
      throw invalid("body", "a known kind of column");
  }
}
