import type { Change } from "../../commit/commit.ts";
import type { RowPlan } from "../row-plan.ts";
import { canonicalJson, itemsOf, type Json, membersOf, NOTHING_SEEN, type Seen, seenOfJson } from "./memory.ts";

/**
 * Per row, what an insert or update did to the columns whose rules merge operations, as JSON: column → operation, `$at` (the number of
 * the statement in its transaction) and `$seen` (what the writer had seen of other nodes in this row); null when it did nothing to them.
 */
export const OPS_COLUMN = "$ops";

/** Characters of one row's operations. */
const OPS_CHARACTERS_MAX = 1_048_576;
/** Nodes in `$seen`. */
const SEEN_NODES_MAX = 10_000;
/** Nesting of arrays and objects in operations. */
const OPS_DEPTH_MAX = 16;

export interface RowOps {
  readonly at: number;
  readonly seen: Seen;
  readonly ops: ReadonlyMap<string, Json>;
}

/** Reads one row's operations; the text was checked where it came in. */
export function readOps(text: string): RowOps {
  const { $at, $seen, ...ops } = membersOf(JSON.parse(text) as Json);
  return {
    at: Number($at ?? 0),
    seen: $seen === undefined ? NOTHING_SEEN : seenOfJson($seen),
    ops: new Map(Object.entries(ops)),
  };
}

/** The operations without some columns; null when none are left. What a delete had seen stays. */
export function opsWithout(text: string | null, hidden: ReadonlySet<string>): string | null {
  if (text === null) return null;
  const all = Object.entries(membersOf(JSON.parse(text) as Json));
  const kept = all.filter(([name]) => !hidden.has(name));
  if (kept.length === all.length) return text;
  return kept.every(([name]) => name.startsWith("$")) ? null : canonicalJson(Object.fromEntries(kept));
}

/** What the operations of the changes say to have seen: node and stamp. */
function seenPairs(change: Change): readonly (readonly [string, string])[] {
  const vector = change.values[change.columns.indexOf(OPS_COLUMN)] ?? [];
  return vector.flatMap((text) => (text === null ? [] : (Object.entries(seenIn(text)) as [string, string][])));
}

const seenIn = (text: string): Readonly<Record<string, unknown>> =>
  membersOf(membersOf(JSON.parse(text) as Json)["$seen"] ?? null);

/** The stamps that the operations of the changes say to have seen. */
export const opsSeen = (changes: readonly Change[]): readonly string[] =>
  changes.flatMap((change) => seenPairs(change).map(([, stamp]) => stamp)).filter(isStamp);

/** The greatest of them, apart from those that `isLeftOut` names; 0 when there is none. */
export function latestOpsSeen(changes: readonly Change[], isLeftOut: (stamp: string) => boolean): bigint {
  const counted = opsSeen(changes).filter((stamp) => !isLeftOut(stamp));
  return counted.reduce((latest, stamp) => (BigInt(stamp) > latest ? BigInt(stamp) : latest), 0n);
}

const isStamp = (text: unknown): text is string => typeof text === "string" && /^[1-9]\d{0,18}$/.test(text);

/** The change with some of the stamps in what its operations had seen replaced; the same change when none is. */
export function renameOpsSeen(change: Change, renamed: (stamp: string, node: string) => string | null): Change {
  const place = change.columns.indexOf(OPS_COLUMN);
  if (place < 0 || !seenPairs(change).some(([node, stamp]) => renamed(stamp, node) !== null)) return change;
  const texts = (change.values[place] ?? []).map((text) => {
    if (text === null) return null;
    const entries = Object.entries(seenIn(text)).map(([node, stamp]) => [node, renamed(String(stamp), node) ?? stamp]);
    return entries.length === 0
      ? text
      : JSON.stringify({ ...membersOf(JSON.parse(text) as Json), $seen: Object.fromEntries(entries) });
  });
  return { ...change, values: change.values.map((vector, index) => (index === place ? texts : vector)) };
}

/** Why the operations of one row of a peer's change cannot be taken in, or null. */
export function opsFault(text: string, plan: RowPlan): string | null {
  if (text.length > OPS_CHARACTERS_MAX) return "operations are too long";
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch {
    return "operations are not JSON";
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "operations are not a JSON object";
  if (depthOf(parsed, OPS_DEPTH_MAX) > OPS_DEPTH_MAX) return "operations are nested too deep";
  const { $at, $seen, ...ops } = membersOf(parsed);
  if (!Number.isInteger($at) || Number($at) < 1 || Number($at) > 2 ** 31 - 1) return "operations without a statement's number";
  for (const [column, op] of Object.entries(ops)) {
    const rule = plan.memory.get(column);
    if (rule === undefined) return "an operation on a column without memory";
    const fault = rule.opFault(op);
    if (fault !== null) return fault;
  }
  return $seen === undefined ? null : seenFault($seen);
}

function seenFault(seen: Json): string | null {
  if (typeof seen !== "object" || seen === null || Array.isArray(seen)) return "what was seen is no JSON object";
  const entries = Object.entries(membersOf(seen));
  if (entries.length > SEEN_NODES_MAX) return "what was seen names too many nodes";
  const sound = entries.every(([node, value]) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(node) && isStamp(value));
  return sound ? null : "what was seen is no stamp";
}

/** Nesting of a value, counted no further than one above `max`. */
function depthOf(value: Json, max: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (max <= 0) return 1;
  const inner = Array.isArray(value) ? itemsOf(value) : Object.values(membersOf(value));
  return 1 + inner.reduce<number>((most, item) => Math.max(most, depthOf(item, max - 1)), 0);
}

/**
 * True when every row of a peer's insert or update says what it did to each column with memory that it carries or changed, and
 * says nothing that cannot be.
 */
export function opsAreSound(change: Change, plan: RowPlan, changedOf: (row: number) => readonly string[]): boolean {
  const vector = change.values[change.columns.indexOf(OPS_COLUMN)];
  for (let row = 0; row < change.rowCount; row += 1) {
    const text = vector?.[row] ?? null;
    if (text !== null && opsFault(text, plan) !== null) return false;
    const ops = text === null ? null : readOps(text).ops;
    const needed = changedOf(row).filter((column) => plan.memory.has(column));
    if (needed.some((column) => ops?.has(column) !== true)) return false;
  }
  return true;
}
