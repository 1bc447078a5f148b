import type pg from "pg";
import type { SqlParameter, TransactionOptions } from "../database.ts";
import type { CommitResult, ConnectionSource, SqlConnection, StatementResult } from "../sql-connection.ts";
import { beginStatement, commitScript, refuseOpenTransaction } from "../sql-connection.ts";
import { wireParameters } from "../value/parameter-text.ts";
import { postgresError } from "./postgres-error.ts";

/** One connection of a pool, for as long as one caller holds it. */
class PostgresConnection implements SqlConnection {
  readonly #client: pg.PoolClient;
  #broken = false;
  #readOnly = false;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  /** True when the connection must not be used again. */
  get broken(): boolean {
    return this.#broken || this.inTransaction;
  }

  get inTransaction(): boolean {
    const status = this.#client.getTransactionStatus();
    return !this.#broken && (status === "T" || status === "E");
  }

  async statement<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>> {
    const values = wireParameters(parameters).map((value) =>
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value,
    );
    // Inside a transaction a lost connection rolls back; in autocommit the statement may have committed.
    const outcome = this.inTransaction ? "none" : "unknown";
    const result = await this.#run(async () => await this.#client.query({ text: sql, values }), outcome);
    return { rows: result.rows as Row[], command: result.command ?? "", affected: affectedOf(result) };
  }

  async script(sql: string): Promise<readonly string[]> {
    const outcome = this.inTransaction ? "none" : "unknown";
    return (await this.#script(sql, outcome)).map((result) => result.command ?? "");
  }

  async begin(options: TransactionOptions): Promise<void> {
    this.#readOnly = options.readOnly === true;
    await this.#script(beginStatement(options), "none");
  }

  async commit(): Promise<CommitResult> {
    try {
      const results = await this.#script(commitScript, "unknown");
      return {
        committed: results.at(-1)?.command === "COMMIT",
        wrote: (results[0]?.rows[0] as { wrote?: unknown } | undefined)?.wrote === true,
      };
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  async rollback(): Promise<void> {
    if (!this.inTransaction) return;
    try {
      await this.#script("rollback", "none");
    } catch {
      // The connection is closed instead of being used again, and the server rolls back by itself.
      this.#broken = true;
    }
  }

  async #script(sql: string, outcome: "none" | "unknown"): Promise<pg.QueryResult[]> {
    const results: unknown = await this.#run(async () => await this.#client.query(sql), outcome);
    return Array.isArray(results) ? (results as pg.QueryResult[]) : [results as pg.QueryResult];
  }

  async #run<T>(work: () => Promise<T>, outcome: "none" | "unknown"): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = postgresError(error, outcome, this.#readOnly);
      if (failure.code === "unavailable") this.#broken = true;
      else await this.#settle();
      throw failure;
    }
  }

  /**
   * `pg` rejects with the error message, and learns the transaction's state from the ReadyForQuery after it, which may come in
   * a later packet. Until then a transaction that the failed script had begun would go unseen. An empty query waits for it.
   */
  async #settle(): Promise<void> {
    try {
      await this.#client.query("");
    } catch {
      this.#broken = true;
    }
  }
}

/** Hands out the connections of a pool. */
export class PoolConnectionSource implements ConnectionSource {
  readonly #pool: pg.Pool;
  readonly #uses = new Set<Promise<unknown>>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async use<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const use = this.#use(work);
    this.#uses.add(use);
    try {
      return await use;
    } finally {
      this.#uses.delete(use);
    }
  }

  async alone<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>> {
    return await this.use(async (connection) => {
      const result = await connection.statement<Row>(sql, parameters);
      await refuseOpenTransaction(connection);
      return result;
    });
  }

  async close(): Promise<void> {
    // The pool by itself refuses calls that still wait for a connection.
    await Promise.allSettled(this.#uses);
    await this.#pool.end();
  }

  async #use<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    const connection = new PostgresConnection(client);
    // While a client is out, its errors are ours: without a listener they would end the process.
    const onError = (): void => undefined;
    client.on("error", onError);
    try {
      return await work(connection);
    } finally {
      client.off("error", onError);
      client.release(connection.broken);
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw postgresError(error, "none");
    }
  }
}

const countedCommands: ReadonlySet<string> = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);

function affectedOf(result: pg.QueryResult): number {
  return countedCommands.has(result.command) ? (result.rowCount ?? 0) : 0;
}
