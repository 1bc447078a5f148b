import { HayloftError } from "../error/hayloft-error.ts";
import type { QueryResult, SqlParameter, SqlSession } from "./database.ts";
import type { SqlConnection } from "./sql-connection.ts";

/**
 * The session handed to a transaction's work. Statements run in the order in which they were asked for, one at a time.
 * It refuses to be used after the work has ended, and notices when a statement ended the transaction.
 */
export class TransactionSession implements SqlSession {
  readonly #connection: SqlConnection;
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;
  #misuse: HayloftError | null = null;

  constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  async query<Row = Record<string, unknown>>(sql: string, parameters: readonly SqlParameter[] = []): Promise<QueryResult<Row>> {
    return await this.#inOrder(async () => {
      const { rows, affected } = await this.#connection.statement<Row>(sql, parameters);
      return { rows, affected };
    });
  }

  async script(sql: string): Promise<void> {
    await this.#inOrder(async () => await this.#connection.script(sql));
  }

  /** Waits for statements still running and refuses later ones. Throws when a statement ended the transaction. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
    if (this.#misuse !== null) throw this.#misuse;
  }

  async #inOrder<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ended)
      throw new HayloftError("sql-failed", {
        sqlstate: "25P01",
        message: "The transaction has ended; its session cannot be used any more.",
      });
    const turn = this.#last.then(async () => await this.#checked(work));
    this.#last = turn.catch(() => null);
    return await turn;
  }

  async #checked<T>(work: () => Promise<T>): Promise<T> {
    if (this.#misuse !== null) throw this.#misuse;
    const result = await work();
    if (!this.#connection.inTransaction) {
      this.#misuse = new HayloftError("sql-failed", {
        sqlstate: "2D000",
        message: "A statement ended the transaction; only its owner may.",
      });
      throw this.#misuse;
    }
    return result;
  }
}
