import type { CellText } from "../commit/commit.ts";
import { compareText } from "./compare-values.ts";
import type { Memory } from "./memory/memory.ts";

/** When and where a value was written. Stamp 0 means unknown, older than everything. */
export interface Stamp {
  readonly stamp: bigint;
  readonly node: string;
}

/** A value with its stamp. */
export interface Register extends Stamp {
  readonly value: CellText;
  /** What rules that merge operations remember; the value follows from it. Absent: nothing but the value is known. */
  readonly memory?: Memory;
}

/** A commit as its values remember it. */
export interface Written extends Stamp {
  readonly author?: string | null;
  readonly tier?: string;
}

/** The end of two registers of one column. Pure, commutative, associative and idempotent. */
export type Join = (left: Register, right: Register) => Register;

/** Orders stamps; ties by node id. */
export function compareStamps(left: Stamp, right: Stamp): number {
  if (left.stamp !== right.stamp) return left.stamp < right.stamp ? -1 : 1;
  return compareText(left.node, right.node);
}

/** Breaks a tie between registers with equal stamps (only possible for unknown ones), so that the order does not matter. */
export function compareRawValues(left: CellText, right: CellText): number {
  if (left === right) return 0;
  if (left === null) return -1;
  return right === null ? 1 : compareText(left, right);
}
