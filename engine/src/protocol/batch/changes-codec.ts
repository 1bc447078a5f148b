import type { CellText, Change } from "../../commit/commit.ts";
import { invalid, tooLarge } from "../invalid.ts";
import { BLOCKS_MAX, COLUMNS_MAX, NAME_BYTES_MAX } from "../limits.ts";
import type { BodyLimits } from "./body-budget.ts";
import { BodyBudget, charactersOf } from "./body-budget.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readColumn, writeColumn } from "./column-codec.ts";

/** The order is part of the protocol: an op travels as its index. */
export const OPS = ["insert", "update", "delete", "evict"] as const;

const namePattern = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** Throws `frame-invalid` when `name` cannot be a table or column; a comma or line feed in it would make digests ambiguous. */
function checkName(name: string, path: string): void {
  if (name.length > NAME_BYTES_MAX || !namePattern.test(name)) throw invalid(path, "a plain identifier of at most 63 characters");
}

/** All changes with the same table, op and columns, their rows behind one another. */
interface Block {
  readonly index: number;
  /** The first of the changes. */
  readonly shape: Change;
  readonly changes: Change[];
  rowCount: number;
}

/**
 * Writes changes in order: the blocks, then per change the number of its block and how many of the block's rows are its
 * own. Rows of a block belong to the changes that name it, in order.
 */
export function writeChanges(writer: ByteWriter, changes: readonly Change[], budget: BodyBudget): void {
  const blocks = new Map<string, Block>();
  const numbers = new Uint32Array(changes.length);
  let block: Block | undefined;
  for (const [at, change] of changes.entries()) {
    if (block === undefined || !hasShape(block, change)) block = blockOf(blocks, change);
    checkVectors(change);
    budget.addRows(rowsCounted(change), change.columns.length);
    for (const vector of change.values) budget.addCharacters(charactersOf(vector));
    block.changes.push(change);
    block.rowCount += change.rowCount;
    numbers[at] = block.index;
  }
  if (blocks.size > BLOCKS_MAX) throw tooLarge("blocksMax", BLOCKS_MAX);
  writer.unsigned(blocks.size);
  for (const known of blocks.values()) writeBlock(writer, known);
  writer.unsigned(changes.length);
  for (const number of numbers) writer.unsigned(number);
  for (const change of changes) writer.unsigned(change.rowCount);
}

function blockOf(blocks: Map<string, Block>, change: Change): Block {
  const key = `${change.op}\n${change.table}\n${change.columns.join(",")}`;
  const known = blocks.get(key);
  if (known !== undefined) return known;
  checkShape(change);
  const fresh = { index: blocks.size, shape: change, changes: [], rowCount: 0 };
  blocks.set(key, fresh);
  return fresh;
}

/** True when the change goes to the same block as the one before it, as it mostly does. */
function hasShape({ shape }: Block, change: Change): boolean {
  if (shape.table !== change.table || shape.op !== change.op || shape.columns.length !== change.columns.length) return false;
  for (let index = 0; index < shape.columns.length; index += 1) if (shape.columns[index] !== change.columns[index]) return false;
  return true;
}

/** A change without rows counts as one row, or a few bytes could make millions of them. */
const rowsCounted = (change: Pick<Change, "rowCount">): number => Math.max(1, change.rowCount);

function checkShape(change: Change): void {
  checkName(change.table, "change.table");
  if (change.columns.length > COLUMNS_MAX) throw tooLarge("columnsMax", COLUMNS_MAX);
  for (const column of change.columns) checkName(column, "change.columns");
  if (!OPS.includes(change.op)) throw invalid("change.op", OPS.join(", "));
}

function checkVectors(change: Change): void {
  if (change.values.length !== change.columns.length) throw invalid("change.values", "one vector per column");
  for (const vector of change.values) {
    if (vector.length !== change.rowCount) throw invalid("change.values", "vectors of the length of the row count");
  }
}

function writeBlock(writer: ByteWriter, block: Block): void {
  const { shape: first } = block;
  writer.text(first.table);
  writer.byte(OPS.indexOf(first.op));
  writer.unsigned(block.rowCount);
  writer.unsigned(first.columns.length);
  for (const column of first.columns) writer.text(column);
  const columns: (readonly CellText[])[] = [];
  for (let index = 0; index < first.columns.length; index += 1) {
    const column = block.changes.length === 1 ? (first.values[index] ?? []) : joinColumn(block, index);
    writeColumn(writer, column, columns);
    columns.push(column);
  }
}

function joinColumn(block: Block, index: number): readonly CellText[] {
  const column: CellText[] = [];
  for (const change of block.changes) {
    const vector = change.values[index] ?? [];
    for (let row = 0; row < vector.length; row += 1) column.push(vector[row] ?? null);
  }
  return column;
}

interface ReadBlock {
  readonly table: string;
  readonly op: Change["op"];
  readonly columns: readonly string[];
  readonly values: readonly (readonly CellText[])[];
  readonly rowCount: number;
  taken: number;
}

/** Reads what `writeChanges` wrote. Every row of every block must belong to exactly one change. */
export function readChanges(reader: ByteReader, budget: BodyBudget): Change[] {
  const blocks: ReadBlock[] = [];
  const blockCount = reader.count(BLOCKS_MAX, "blocksMax");
  for (let index = 0; index < blockCount; index += 1) blocks.push(readBlock(reader, budget));
  const count = reader.unsigned();
  if (count * 2 > reader.left) throw invalid("body", "a whole body");
  const numbers = new Uint32Array(count);
  for (let index = 0; index < count; index += 1) numbers[index] = Math.min(reader.unsigned(), BLOCKS_MAX);
  const changes: Change[] = [];
  for (const number of numbers) {
    const block = blocks[number];
    if (block === undefined) throw invalid("body", "the number of a block");
    const rowCount = reader.unsigned();
    if (rowCount === 0) budget.addRows(1, block.columns.length);
    changes.push(takeRows(block, rowCount));
  }
  if (blocks.some((block) => block.taken !== block.rowCount)) throw invalid("body", "every row in a change");
  return changes;
}

function readBlock(reader: ByteReader, budget: BodyBudget): ReadBlock {
  const table = readName(reader);
  const op = OPS[reader.byte()];
  if (op === undefined) throw invalid("body", OPS.join(", "));
  const rowCount = reader.unsigned();
  const columnCount = reader.count(COLUMNS_MAX, "columnsMax");
  budget.addRows(rowCount, columnCount);
  const columns: string[] = [];
  for (let index = 0; index < columnCount; index += 1) columns.push(readName(reader));
  const values: (readonly CellText[])[] = [];
  for (let index = 0; index < columnCount; index += 1) values.push(readColumn(reader, rowCount, values, budget));
  return { table, op, columns, values, rowCount, taken: 0 };
}

function readName(reader: ByteReader): string {
  const name = reader.text(NAME_BYTES_MAX);
  checkName(name, "body");
  return name;
}

/** The next `rowCount` rows of the block as a change. A change that is the whole block shares its vectors. */
function takeRows(block: ReadBlock, rowCount: number): Change {
  const { table, op, columns } = block;
  const start = block.taken;
  const end = start + rowCount;
  if (end > block.rowCount) throw invalid("body", "rows of the block");
  block.taken = end;
  if (rowCount === block.rowCount) return { table, op, columns, values: block.values, rowCount };
  return { table, op, columns, values: block.values.map((column) => column.slice(start, end)), rowCount };
}

/** A body that is only changes, such as the true rows beside refused commits. */
export function encodeChanges(changes: readonly Change[], limits: BodyLimits): Uint8Array {
  const writer = new ByteWriter();
  writeChanges(writer, changes, new BodyBudget(limits));
  return writer.finish();
}

export function decodeChanges(body: Uint8Array, limits: BodyLimits): readonly Change[] {
  const reader = new ByteReader(body);
  const changes = readChanges(reader, new BodyBudget(limits));
  reader.end();
  return changes;
}
