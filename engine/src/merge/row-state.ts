import type { CellText } from "../commit/commit.ts";
import {
  joinSeen,
  type Json,
  membersOf,
  type Memory,
  memoryJson,
  memoryOfJson,
  NOTHING_SEEN,
  type Seen,
  seenJson,
  seenOf,
  seenOfJson,
} from "./memory/memory.ts";
import { memoryRegister } from "./memory/memory-rule.ts";
import { compareStamps, type Register, type Stamp } from "./register.ts";
import type { RowPlan } from "./row-plan.ts";

/**
 * A row as the rules see it: the register of each column outside the primary key, and the tombstone. A deleted row keeps its
 * registers, so that a concurrent later update finds them whichever of the two arrives first.
 */
export interface RowState {
  readonly cells: ReadonlyMap<string, Register>;
  readonly deleted: Stamp | null;
  /** The latest insert, where the table's `deletes` is `deleteWins`. */
  readonly inserted?: Stamp | null;
  /** What those who deleted the row had seen of it, where the table's `deletes` is `updateWins`. */
  readonly gone?: Seen;
}

export const UNKNOWN_STAMP: Stamp = { stamp: 0n, node: "" };
export const EMPTY_ROW: RowState = { cells: new Map(), deleted: null };

/** Values of a row by column name, in text form. */
export type RowValues = ReadonlyMap<string, CellText>;

/** The join of two tombstones: the later. */
export function joinTombstones(left: Stamp | null, right: Stamp | null): Stamp | null {
  if (left === null || right === null) return left ?? right;
  return compareStamps(left, right) >= 0 ? left : right;
}

/**
 * Whether the row is there: it has values, and was never deleted, or was written in spite of it. What that means is the table's
 * `deletes`: written later (the default), inserted later, or written by somebody of whose write the delete did not know. Monotone
 * columns keep what they had reached. With a plan, only the columns count that are written by those who may insert rows: nobody
 * else brings a deleted row back. A function of the joined state alone, whose parts are maxima, so that the order of arrival does not matter.
 */
export function isPresent(state: RowState, plan?: RowPlan): boolean {
  const { cells, deleted } = state;
  if (deleted === null) return cells.size > 0;
  const deletes = plan?.table.deletes ?? "later";
  if (deletes === "deleteWins") return isLater(state.inserted ?? null, deleted);
  for (const [column, register] of cells) {
    if (plan?.presence?.has(column) === false) continue;
    const survives =
      deletes === "updateWins" ? register.stamp > (state.gone?.get(register.node) ?? 0n) : isLater(register, deleted);
    if (survives) return true;
  }
  return false;
}

const isLater = (written: Stamp | null, deleted: Stamp): boolean => written !== null && compareStamps(written, deleted) > 0;

/** The greatest stamp in a row; 0 when all are unknown. */
export function latestStamp({ cells, deleted }: RowState, node: string | null = null): bigint {
  let latest = 0n;
  for (const written of [...cells.values(), ...(deleted === null ? [] : [deleted])]) {
    if ((node === null || written.node === node) && written.stamp > latest) latest = written.stamp;
  }
  return latest;
}

type StampText = readonly [string, string];
type Document = Readonly<Record<string, StampText | Readonly<Record<string, CellText>> | undefined>>;

/** In a `stamps` document: per column what its rule remembers, as `memoryJson` has it. */
export const MEMORY_FIELD = "$memory";
/** In a `stamps` document: per node the greatest stamp in the row's memories. Capture reads what a writer has seen from it. */
export const SEEN_FIELD = "$seen";

/** In a `stamps` document: per node what those who deleted the row had seen. */
export const GONE_FIELD = "$gone";

const isStampText = (value: unknown): value is StampText => Array.isArray(value);

function readStamp(value: unknown): Stamp | null {
  if (!isStampText(value)) return null;
  return { stamp: BigInt(value[0]), node: value[1] };
}

/**
 * The latest insert. Where capture wrote the document and names none, `$row` is it. `writeRowState` always names one, an unknown stamp
 * where no insert has arrived yet: its `$row` may be the stamp of an update, which says nothing against a delete.
 */
function readInserted(document: Document): Stamp | null {
  const inserted = readStamp(document["$inserted"] ?? document["$row"]);
  return inserted === null || inserted.stamp === UNKNOWN_STAMP.stamp ? null : inserted;
}

const writeStamp = ({ stamp, node }: Stamp): StampText => [stamp.toString(), node];

/**
 * Reads a row from its values (null when it is not in the table) and the `stamps` document of `hayloft.row_state`. A column
 * without entry has the stamp `$row`; without either its stamp is unknown.
 */
export function readRowState(values: RowValues | null, documentText: string | null, plan: RowPlan): RowState {
  const document: Document = documentText === null ? {} : (JSON.parse(documentText) as Document);
  const whole = readStamp(document["$row"]) ?? UNKNOWN_STAMP;
  const kept = document["$cells"];
  const dead = kept === undefined || isStampText(kept) ? null : kept;
  const memories = plan.memory.size === 0 ? {} : membersOf(document[MEMORY_FIELD]);
  const cells = new Map<string, Register>();
  for (const column of plan.cellColumns) {
    const { stamp, node } = readStamp(document[column]) ?? whole;
    const rule = plan.memory.get(column);
    const memory = memories[column];
    if (rule !== undefined && memory !== undefined) {
      cells.set(column, memoryRegister(rule, memoryOfJson(memory), { stamp, node }));
      continue;
    }
    const value = values === null ? dead?.[column] : values.get(column);
    if (value !== undefined) cells.set(column, { value, stamp, node });
  }
  shareGroupStamp(cells, plan);
  const state = { cells, deleted: readStamp(document["$deleted"]) };
  if (plan.table.deletes === "deleteWins") return { ...state, inserted: readInserted(document) };
  return plan.table.deletes === "updateWins" ? { ...state, gone: seenOfJson(document[GONE_FIELD]) } : state;
}

/** True when `readRowState` can read each of the texts, so that a parent's broken row is set aside and stops nothing else. */
export function areStampsTexts(texts: readonly CellText[], plan: RowPlan): boolean {
  return texts.every((text) => {
    try {
      const { deleted, cells } = readRowState(null, text, plan);
      return [deleted, ...cells.values()].every((written) => written === null || typeof written.node === "string");
    } catch {
      return false;
    }
  });
}

/** Columns that win or lose together have one stamp, the latest; capture stamps only those that a statement changed. */
function shareGroupStamp(cells: Map<string, Register>, plan: RowPlan): void {
  const grouped = [...cells].filter(([column]) => plan.group?.columns.has(column) === true);
  const latest = grouped.reduce<Stamp>((best, [, next]) => (compareStamps(next, best) > 0 ? next : best), UNKNOWN_STAMP);
  for (const [column, { value }] of grouped) cells.set(column, { value, stamp: latest.stamp, node: latest.node });
}

/** A stamp with the number of cells that have it; of the few in a row, found by looking through them. */
interface Mark extends Stamp {
  count: number;
  readonly text: StampText;
}

function markOf(marks: Mark[], { stamp, node }: Stamp): Mark {
  for (const mark of marks) if (mark.stamp === stamp && mark.node === node) return mark;
  const mark = { stamp, node, count: 0, text: writeStamp({ stamp, node }) };
  marks.push(mark);
  return mark;
}

/** A stamps document without some columns: their stamps, what their rules remember, and the values that a deleted row kept. */
export function stampsWithout(text: string | null, columns: ReadonlySet<string>): string | null {
  if (text === null) return null;
  const kept = (members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
    Object.fromEntries(Object.entries(members).filter(([name]) => !columns.has(name)));
  const { [MEMORY_FIELD]: memory, $cells: cells, ...document } = JSON.parse(text) as Readonly<Record<string, Json>>;
  return JSON.stringify({
    ...kept(document),
    ...(cells !== undefined && { $cells: kept(membersOf(cells)) }),
    ...(memory !== undefined && { [MEMORY_FIELD]: kept(membersOf(memory)) }),
  });
}

/** The document that `readRowState` reads. The stamp that most columns share is written once, as `$row`. */
export function writeRowState(state: RowState, plan: RowPlan): string {
  const marks: Mark[] = [];
  let base: Mark | null = null;
  for (const register of state.cells.values()) {
    const mark = markOf(marks, register);
    mark.count += 1;
    if (base === null || mark.count > base.count) base = mark;
  }
  const document: Record<string, StampText | Record<string, CellText> | Json> = {};
  if (base !== null && base.stamp > 0n) document["$row"] = base.text;
  if (marks.length > 1) {
    for (const column of plan.cellColumns) {
      const register = state.cells.get(column);
      const mark = register === undefined ? base : markOf(marks, register);
      if (mark !== null && mark !== base) document[column] = mark.text;
    }
  }
  if (state.deleted !== null) document["$deleted"] = writeStamp(state.deleted);
  if (plan.table.deletes === "deleteWins" && (state.inserted != null || document["$row"] !== undefined))
    document["$inserted"] = writeStamp(state.inserted ?? UNKNOWN_STAMP);
  if (state.gone !== undefined && state.gone.size > 0) document[GONE_FIELD] = seenJson(state.gone);
  if (!isPresent(state, plan))
    document["$cells"] = Object.fromEntries([...state.cells].map(([column, { value }]) => [column, value]));
  if (plan.memory.size > 0) writeMemories(document, state, plan);
  return JSON.stringify(document);
}

/** True when `writeRowState` gives the same for both. */
export function hasEqualStamps(left: RowState, right: RowState): boolean {
  if (left === right) return true;
  if (left.cells.size !== right.cells.size || left.gone !== right.gone) return false;
  if (!isSameStamp(left.deleted, right.deleted) || !isSameStamp(left.inserted ?? null, right.inserted ?? null)) return false;
  for (const [column, mine] of left.cells) {
    const other = right.cells.get(column);
    if (other === undefined || mine.stamp !== other.stamp || mine.node !== other.node || mine.memory !== other.memory)
      return false;
    if (mine.memory === undefined && mine.value !== other.value) return false;
  }
  return true;
}

const isSameStamp = (left: Stamp | null, right: Stamp | null): boolean =>
  left === right || (left !== null && right !== null && compareStamps(left, right) === 0);

function writeMemories(document: Record<string, unknown>, { cells }: RowState, plan: RowPlan): void {
  const memories = [...plan.memory.keys()].flatMap((column): (readonly [string, Memory])[] => {
    const memory = cells.get(column)?.memory;
    return memory === undefined ? [] : [[column, memory]];
  });
  if (memories.length === 0) return;
  document[MEMORY_FIELD] = Object.fromEntries(memories.map(([column, memory]) => [column, memoryJson(memory)]));
  document[SEEN_FIELD] = seenJson(memories.reduce((seen, [, memory]) => joinSeen(seen, seenOf(memory)), NOTHING_SEEN));
}
