import type { ErrorCode } from "@hayloft/engine";
import { HayloftError, sqlstateOf } from "@hayloft/engine";

const CODES: Readonly<Record<string, ErrorCode>> = {
  "23505": "name-taken",
  "23503": "not-found",
  "23502": "request-invalid",
  "23514": "request-invalid",
  "22001": "request-invalid",
  "22007": "request-invalid",
  "22008": "request-invalid",
  "22P02": "request-invalid",
};

/**
 * Runs an administrative change and says in its terms what the database refused: a name that is taken (unique key), something
 * that does not exist (foreign key), or a value that is not allowed (check).
 */
export async function administer<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = CODES[sqlstateOf(error) ?? ""];
    if (code === undefined || !(error instanceof HayloftError)) throw error;
    const constraint = error.details["constraint"] ?? error.details["column"] ?? null;
    throw new HayloftError(code, { what, ...(constraint === null ? {} : { constraint }) }, error);
  }
}

/** The one row of a change, or `not-found`. */
export function oneRow<Row>(rows: readonly Row[], what: string, id: string): Row {
  const [row] = rows;
  if (row === undefined) throw new HayloftError("not-found", { what, id });
  return row;
}
