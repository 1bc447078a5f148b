import type { Change } from "../commit/commit.ts";

/** Rows of one table whose keys lie behind `after`, up to `to`; null: from the first, to the last. Keys are without the tenant, in text form. */
export interface KeyRange {
  readonly after: readonly string[] | null;
  readonly to: readonly string[] | null;
}

/** The rows of a range as one side has them: how many, and the exclusive or of their digests (16 bytes). */
export interface RangeDigest extends KeyRange {
  readonly rows: number;
  readonly digest: Uint8Array;
}

/**
 * Which rows of a table a child keeps, by the column that its retention goes by: those from a time on, or those with one of the
 * values. Null: all.
 */
export type KeptRows = { readonly from: string } | { readonly values: readonly string[] } | null;

/** Names the rows that are compared. */
export interface ComparedTable {
  readonly tenant: string;
  readonly table: string;
  readonly kept: KeptRows;
}

/** Asks which of these ranges the parent has otherwise. */
export interface RangeQuestion extends ComparedTable {
  readonly ranges: readonly RangeDigest[];
}

export interface RangeAnswer {
  /** Numbers (from 0) of the ranges that differ. */
  readonly differing: readonly number[];
}

/** Tells the rows of a range that differs one by one. */
export interface RowQuestion extends ComparedTable {
  readonly range: KeyRange;
  /** How far the child has applied the parent's log of that tenant. */
  readonly received: number;
  /** As `row_key`. */
  readonly keys: readonly string[];
  /** 16 bytes for each key, one behind the other; nought for a row that the child should have and has not. */
  readonly digests: Uint8Array;
}

export interface RowAnswer {
  /** How far the parent has applied the child's log of that tenant. */
  readonly received: number;
  /** Rows that differ and are not told: on their way between the two, held, or too many for one answer. */
  readonly left: number;
  /** Rows that the parent has otherwise; `insert` as it has them, `delete` for those that it does not have. */
  readonly rows: readonly Change[];
  /** Rows of its own that the parent has set right by its own log. */
  readonly healed: number;
}

/** Rows of the child's that stand, for the parent to set its own right. */
export interface RepairRequest {
  readonly tenant: string;
  readonly received: number;
  readonly rows: readonly Change[];
}

export interface RepairAnswer {
  readonly healed: number;
  /** Rows that the parent did not take: not the child's to write, outside of its grant, changed since. */
  readonly refused: number;
}

/** What a child asks its parent while it compares. Each may throw what a session throws. */
export interface ComparedParent {
  compareRanges(question: RangeQuestion): Promise<RangeAnswer>;
  compareRows(question: RowQuestion): Promise<RowAnswer>;
  repair(request: RepairRequest): Promise<RepairAnswer>;
}

/** In rows that are told while comparing: the columns whose values the teller's own log confirms, comma separated; `*`: all of it. */
export const KEPT_COLUMN = "$kept";

export const DIGEST_BYTES = 16;
/** Values of a retention's column in one question. */
export const KEPT_VALUES_MAX = 1_000;
/** Ranges in one question. */
export const RANGES_MAX = 256;
/** Rows that are told one by one in one question. */
export const COMPARED_ROWS_MAX = 1_024;
