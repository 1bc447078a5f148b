import type { SqlType } from "../../catalog/column.ts";
import { addDecimals, decimalText, parseDecimal } from "../decimal.ts";
import { type Json, type MemoryBase, membersOf, textOf } from "./memory.ts";
import type { MemoryRule } from "./memory-rule.ts";

/** Digits of a delta that a peer may send: more than any column can hold. */
const DELTA_CHARACTERS_MAX = 1_002;

const isDelta = (op: Json): op is string =>
  typeof op === "string" && op.length <= DELTA_CHARACTERS_MAX && /^-?\d+(?:\.\d+)?$/.test(op);

/**
 * `counter`: a write is the difference that it made, and the value is the sum of all differences. An insert is the
 * difference from nothing, or from the value that the deleted row had. A sum does not depend on the order of its parts, and each operation
 * is in the memory once: no difference is lost and none counts twice, in whatever order and however often it arrives.
 *
 * The state of a base is the sum per node, because of two bases each may hold more of another node.
 */
export function counterRule(type: SqlType): MemoryRule {
  const scale = type.kind === "numeric" ? type.scale : 0;
  return {
    needsSeen: false,
    addsUp: true,
    keepsAuthor: false,
    opFault: (op) => (isDelta(op) ? null : "a counter's operation is a decimal number as text"),
    opOfValue: (value) => value ?? "0",
    valueOf: (base, entries) => {
      const sums = Object.values(membersOf(base?.state)).map(textOf);
      return totalOf([...sums, ...entries.map(({ op }) => textOf(op))], scale);
    },
    fold: (base, entries) => {
      const sums = new Map(Object.entries(membersOf(base?.state)).map(([node, sum]) => [node, textOf(sum)]));
      for (const { node, op } of entries) sums.set(node, totalOf([sums.get(node) ?? "0", textOf(op)], scale));
      return sumsJson(sums);
    },
    joinStates,
  };
}

/** Per node the sum of the base that holds more of it. */
function joinStates(left: MemoryBase, right: MemoryBase): Json {
  const sums = new Map<string, string>();
  for (const [mine, other] of [
    [left, right],
    [right, left],
  ] as const) {
    for (const [node, sum] of Object.entries(membersOf(mine.state))) {
      if ((mine.seen.get(node) ?? 0n) >= (other.seen.get(node) ?? 0n)) sums.set(node, textOf(sum));
    }
  }
  return sumsJson(sums);
}

const sumsJson = (sums: ReadonlyMap<string, string>): Json =>
  Object.fromEntries([...sums].toSorted(([left], [right]) => (left < right ? -1 : 1)));

/** The sum in the text form of a type with so many digits after the point. */
function totalOf(parts: readonly string[], scale: number): string {
  const zero = { digits: 0n, scale };
  return decimalText(
    parts.reduce((sum, part) => addDecimals(sum, parseDecimal(part) ?? zero), zero),
    scale,
  );
}
