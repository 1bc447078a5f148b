import { HayloftError } from "../error/hayloft-error.ts";
import type { Database, QueryResult, SqlParameter, SqlSession, TransactionOptions } from "./database.ts";
import type { NestingGuard } from "../platform/platform.ts";
import type { ConnectionSource, SqlConnection } from "./sql-connection.ts";
import { refuseOpenTransaction } from "./sql-connection.ts";
import { retrySerialization } from "./transaction-retry.ts";
import { TransactionSession } from "./transaction-session.ts";
import { scriptWrote, statementWrote } from "./write-statement.ts";

export interface ConnectedDatabaseOptions {
  readonly dialect: Database["dialect"];
  readonly durability: Database["durability"];
  readonly source: ConnectionSource;
  /** Finds calls from inside a transaction that would wait for that transaction for ever; null where none is at hand. */
  readonly guard: NestingGuard | null;
}

/** The `Database` over any source of connections: what callers may rely on is the same on every adapter. */
export class ConnectedDatabase implements Database {
  readonly dialect: Database["dialect"];
  readonly durability: Database["durability"];
  readonly #source: ConnectionSource;
  readonly #guard: NestingGuard | null;
  readonly #listeners = new Set<() => void>();
  #notifying = false;
  #closing: Promise<void> | null = null;

  constructor(options: ConnectedDatabaseOptions) {
    this.dialect = options.dialect;
    this.durability = options.durability;
    this.#source = options.source;
    this.#guard = options.guard;
  }

  async query<Row = Record<string, unknown>>(sql: string, parameters: readonly SqlParameter[] = []): Promise<QueryResult<Row>> {
    this.#refuseMisuse();
    const result = await this.#source.alone<Row>(sql, parameters);
    if (statementWrote(sql, result.command, result.affected)) this.#wrote();
    return { rows: result.rows, affected: result.affected };
  }

  async script(sql: string): Promise<void> {
    const commands = await this.#use(async (connection) => {
      try {
        return await connection.script(sql);
      } finally {
        await refuseOpenTransaction(connection);
      }
    });
    if (scriptWrote(commands)) this.#wrote();
  }

  async transaction<T>(work: (tx: SqlSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const { result, wrote } = await retrySerialization(
      async () => await this.#use(async (connection) => await this.#attempt(connection, work, options)),
    );
    if (wrote) this.#wrote();
    return result;
  }

  onWrite(listener: () => void): () => void {
    // A wrapper of its own, so that subscribing one function twice takes two unsubscriptions.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  async close(): Promise<void> {
    this.#refuseNesting();
    this.#closing ??= this.#source.close();
    await this.#closing;
  }

  async #attempt<T>(
    connection: SqlConnection,
    work: (tx: SqlSession) => Promise<T>,
    options: TransactionOptions,
  ): Promise<{ result: T; wrote: boolean }> {
    await connection.begin(options);
    const session = new TransactionSession(connection);
    let result: T;
    try {
      result = this.#guard === null ? await work(session) : await this.#guard.run(async () => await work(session));
      await session.end();
    } catch (error) {
      await session.end().catch(() => null);
      await connection.rollback();
      throw error;
    }
    const { committed, wrote } = await connection.commit();
    if (!committed)
      throw new HayloftError("sql-failed", {
        sqlstate: "25P02",
        message: "A statement had failed, so the transaction was rolled back instead of committed.",
      });
    return { result, wrote };
  }

  async #use<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    this.#refuseMisuse();
    return await this.#source.use(work);
  }

  #refuseMisuse(): void {
    if (this.#closing !== null) throw new HayloftError("store-closed");
    this.#refuseNesting();
  }

  #refuseNesting(): void {
    if (this.#guard?.inside === true) {
      throw new HayloftError("sql-failed", {
        sqlstate: "25001",
        message:
          "The database was called inside one of its own transactions, which would wait for ever; use the transaction's session.",
      });
    }
  }

  /** One notice for all commits up to the next microtask. */
  #wrote(): void {
    if (this.#notifying || this.#listeners.size === 0) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of this.#listeners) listener();
    });
  }
}
