import { HayloftError } from "../error/hayloft-error.ts";

/** What a database says about a refused statement. */
export interface SqlFailure {
  readonly sqlstate: string;
  readonly message: string;
  readonly table?: string | null | undefined;
  readonly column?: string | null | undefined;
  readonly constraint?: string | null | undefined;
  /** Names the row that failed, by its values. */
  readonly detail?: string | null | undefined;
}

/** Apart from the errors, as an error's details are logged and sent to peers, and these hold values. */
const rowsBehind = new WeakMap<HayloftError, string>();

/** What the database said of the row that failed: some of its values, cut where they are long. Null when it said nothing. Not to be logged or sent. */
export const rowBehind = (error: unknown): string | null =>
  error instanceof HayloftError ? (rowsBehind.get(error) ?? null) : null;

/**
 * Classes of SQLSTATE whose messages name objects and settings, never row values: features, transaction state, syntax and
 * names, resources, limits, object state, intervention, system, serialization.
 */
const speakingClasses: ReadonlySet<string> = new Set([
  "0A",
  "25",
  "2D",
  "3F",
  "40",
  "42",
  "53",
  "54",
  "55",
  "57",
  "58",
  "HL",
  "XX",
]);

/** The error for a statement that the database refused, without what may hold values. */
export function sqlError(failure: SqlFailure): HayloftError {
  const details: Record<string, string> = { sqlstate: failure.sqlstate };
  if (failure.table) details["table"] = failure.table;
  if (failure.column) details["column"] = failure.column;
  if (failure.constraint) details["constraint"] = failure.constraint;
  if (speakingClasses.has(failure.sqlstate.slice(0, 2))) details["message"] = failure.message;
  const error = new HayloftError(failure.sqlstate === "53100" ? "store-full" : "sql-failed", details);
  if (failure.detail) rowsBehind.set(error, failure.detail);
  return error;
}

/** The SQLSTATE of an error thrown by a `SqlSession`; null for any other error. */
export function sqlstateOf(error: unknown): string | null {
  if (!(error instanceof HayloftError)) return null;
  const sqlstate = error.details["sqlstate"];
  return typeof sqlstate === "string" ? sqlstate : null;
}
