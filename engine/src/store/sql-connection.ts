import { HayloftError } from "../error/hayloft-error.ts";
import type { QueryResult, SqlParameter, TransactionOptions } from "./database.ts";

/** What a statement did, with the first word of its command tag (`INSERT`, `SELECT`, …). */
export interface StatementResult<Row> extends QueryResult<Row> {
  readonly command: string;
}

/** How a transaction ended: `wrote` is false when it changed nothing. */
export interface CommitResult {
  readonly committed: boolean;
  readonly wrote: boolean;
}

/**
 * One connection to Postgres, used by one caller at a time and for one statement at a time. Errors are HayloftErrors.
 * An adapter implements this; `ConnectedDatabase` makes the same `Database` of every adapter.
 */
export interface SqlConnection {
  /** True while a transaction is open on the connection, also a failed one. */
  readonly inTransaction: boolean;
  statement<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>>;
  /** Runs several statements; resolves to the first words of their command tags. */
  script(sql: string): Promise<readonly string[]>;
  /** Starts a transaction; an adapter may send this together with the first statement. */
  begin(options: TransactionOptions): Promise<void>;
  commit(): Promise<CommitResult>;
  rollback(): Promise<void>;
}

/** Where connections come from. */
export interface ConnectionSource {
  /** Runs `work` with a connection that nobody else uses meanwhile; waits for one when none is free. */
  use<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>;
  /**
   * Runs one statement that is a transaction of its own. A source may send it before earlier ones are answered; they take
   * effect in the order in which they were asked for. Throws `sql-failed` (25001) when it left a transaction open, which is
   * rolled back before anything else runs.
   */
  alone<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>>;
  /** Waits for all uses that were asked for, then closes the connections. */
  close(): Promise<void>;
}

/** What a statement in autocommit is told when it had begun a transaction: the next caller would be inside it. */
export const leftOpen = (): HayloftError =>
  new HayloftError("sql-failed", {
    sqlstate: "25001",
    message: "A statement left a transaction open, which was rolled back; use transaction().",
  });

/** Throws when the connection is inside a transaction that a statement in autocommit began, after rolling it back. */
export async function refuseOpenTransaction(connection: SqlConnection): Promise<void> {
  if (!connection.inTransaction) return;
  await connection.rollback();
  throw leftOpen();
}

/** The statement that starts a transaction with `options`. */
export function beginStatement(options: TransactionOptions): string {
  return `begin isolation level ${options.isolation ?? "read committed"}${options.readOnly === true ? " read only" : ""}`;
}

/** Ends a transaction and says first whether it has written: only writers have a transaction id. */
export const commitScript = "select pg_current_xact_id_if_assigned() is not null as wrote; commit";
