import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";

/** SQLSTATEs that the generated triggers raise. The class `HL` is ours; Postgres and the SQL standard do not use it. */
export const refusalStates = {
  /** This tier may not write the table. */
  table: "HL001",
  /** This tier may not write the column. */
  column: "HL002",
  /** A row of an append-only table was changed or deleted. */
  appendOnly: "HL003",
  /** A monotone value was moved back. */
  monotone: "HL004",
  /** A primary key or a natural key was changed. */
  key: "HL005",
  /** A column that is set once was changed. */
  setOnce: "HL006",
  /** TRUNCATE of a replicated table. */
  truncate: "HL007",
  /** A write aimed at a partition. */
  leaf: "HL008",
  /** A row of the shared tenant was written below the top. */
  sharedTenant: "HL009",
  /** The transaction changes more than one commit may hold. */
  size: "HL010",
  /** `hayloft.txn` was changed within a transaction, for example by RESET ALL. */
  setting: "HL011",
  /** A row trigger of a table wrote to the same table, whose statements would be logged in the wrong order. */
  nested: "HL012",
  /** A document became larger than its column takes. */
  document: "HL013",
  /** A row is larger than any frame holds. */
  rowSize: "HL014",
  /** A value that the column's rule cannot merge: a set that is no array of texts, a counter that is no number. */
  value: "HL015",
} as const;

export type RefusalRule = keyof typeof refusalStates;

const rules: ReadonlyMap<string, RefusalRule> = new Map(
  (Object.keys(refusalStates) as RefusalRule[]).map((rule) => [refusalStates[rule], rule]),
);

/** The error code for a SQLSTATE of the class `HL`, or null for any other. */
export function refusalCode(sqlstate: string): ErrorCode | null {
  const rule = rules.get(sqlstate);
  if (rule === undefined) return null;
  if (rule === "rowSize") return "row-too-large";
  return rule === "size" ? "commit-too-large" : "write-refused";
}

/**
 * The error an application should see when a guard refused its statement: `write-refused`, `commit-too-large` or `row-too-large`, with the
 * table, the rule and the guard's message in its details. Any other error comes back as it is.
 */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof HayloftError) || error.code !== "sql-failed") return error;
  const sqlstate = String(error.details["sqlstate"]);
  const code = refusalCode(sqlstate);
  const rule = rules.get(sqlstate);
  if (code === null || rule === undefined) return error;
  return new HayloftError(code, { ...error.details, rule }, error);
}
