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

/** The operations without some columns; null when none are left. */
export function opsWithout(text: string | null, hidden: ReadonlySet<string>): string | null {
  if (text === null) return null;
  const kept = Object.entries(membersOf(JSON.parse(text) as Json)).filter(([name]) => !hidden.has(name));
  return kept.every(([name]) => name.startsWith("$")) ? null : canonicalJson(Object.fromEntries(kept));
}

/** Why the operations of one row of a peer's change cannot be taken in, or null. `stamp` is that of its commit. */
export function opsFault(text: string, plan: RowPlan, stamp: bigint): string | null {
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
  return $seen === undefined ? null : seenFault($seen, stamp);
}

/** Nobody has seen what is later than the commit: a stamp is greater than all that its writer could have read. */
function seenFault(seen: Json, stamp: bigint): string | null {
  if (typeof seen !== "object" || seen === null || Array.isArray(seen)) return "what was seen is no JSON object";
  const entries = Object.entries(membersOf(seen));
  if (entries.length > SEEN_NODES_MAX) return "what was seen names too many nodes";
  const sound = entries.every(
    ([node, value]) =>
      /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(node) &&
      typeof value === "string" &&
      /^[1-9]\d{0,18}$/.test(value) &&
      BigInt(value) <= stamp,
  );
  return sound ? null : "what was seen is later than the commit";
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
export function opsAreSound(
  change: Change,
  plan: RowPlan,
  stamp: bigint,
  changedOf: (row: number) => readonly string[],
): boolean {
  const vector = change.values[change.columns.indexOf(OPS_COLUMN)];
  for (let row = 0; row < change.rowCount; row += 1) {
    const text = vector?.[row] ?? null;
    if (text !== null && opsFault(text, plan, stamp) !== null) return false;
    const ops = text === null ? null : readOps(text).ops;
    const needed = changedOf(row).filter((column) => plan.memory.has(column));
    if (needed.some((column) => ops?.has(column) !== true)) return false;
  }
  return true;
}
