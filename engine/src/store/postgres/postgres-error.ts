import pg from "pg";
import type { ErrorDetails } from "../../error/hayloft-error.ts";
import { HayloftError } from "../../error/hayloft-error.ts";
import { sqlError } from "../sql-error.ts";

/** The server is stopping, starting, out of connections or memory, or a read-only standby: the same call may work later. */
const unavailableStates = /^(08...|57P0[1235]|53[23]00|25006)$/;

/**
 * The error for what `pg` threw. A lost connection, or a server that cannot serve now, is `unavailable`; `outcome` says
 * whether the statement may have taken effect all the same.
 */
export function postgresError(error: unknown, outcome: "none" | "unknown", readOnlyAsked = false): HayloftError {
  if (error instanceof HayloftError) return error;
  if (!(error instanceof pg.DatabaseError)) return new HayloftError("unavailable", { ...systemCode(error), outcome }, error);
  const sqlstate = error.code ?? "XX000";
  if (unavailableStates.test(sqlstate) && !(sqlstate === "25006" && readOnlyAsked)) {
    return new HayloftError("unavailable", { sqlstate, outcome }, error);
  }
  const { message, table, column, constraint, detail } = error;
  return sqlError({ sqlstate, message, table, column, constraint, detail });
}

function systemCode(error: unknown): ErrorDetails {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" ? { system: code } : {};
}
