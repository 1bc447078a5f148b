import type { SqlParameter, TransactionOptions } from "../database.ts";
import type { CommitResult, ConnectionSource, SqlConnection, StatementResult } from "../sql-connection.ts";
import { beginStatement, commitScript, leftOpen } from "../sql-connection.ts";
import type { HayloftError } from "../../error/hayloft-error.ts";
import { type SqlFailure, sqlError } from "../sql-error.ts";
import { wireParameters } from "../value/parameter-text.ts";
import { isDamage } from "./is-damage.ts";
import type { PgliteEngine } from "./pglite-engine.ts";
import type { WireReply } from "./wire-reply.ts";
import { readReply } from "./wire-reply.ts";
import { joinBytes, scriptRequest, statementRequest } from "./wire-request.ts";

/** PGlite's one connection. BEGIN travels with the first statement, which saves one crossing of threads. */
class PgliteConnection implements SqlConnection {
  readonly #engine: PgliteEngine;
  #begin: Uint8Array<ArrayBuffer> | null = null;
  #status = "I";

  constructor(engine: PgliteEngine) {
    this.#engine = engine;
  }

  get inTransaction(): boolean {
    return this.#status !== "I";
  }

  async statement<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>> {
    return resultOf(await this.#exec(statementRequest(sql, wireParameters(parameters))));
  }

  async script(sql: string): Promise<readonly string[]> {
    const reply = await this.#exec(scriptRequest(sql));
    return reply.results.map((result) => result.command);
  }

  begin(options: TransactionOptions): Promise<void> {
    this.#begin = scriptRequest(beginStatement(options));
    return Promise.resolve();
  }

  async commit(): Promise<CommitResult> {
    // No statement was sent, so there is nothing to commit.
    if (this.#begin !== null) {
      this.#begin = null;
      return { committed: true, wrote: false };
    }
    try {
      const reply = await this.#exec(scriptRequest(commitScript));
      return { committed: reply.results.at(-1)?.command === "COMMIT", wrote: reply.rows[0]?.["wrote"] === true };
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  async rollback(): Promise<void> {
    this.#begin = null;
    if (this.inTransaction) await this.#exec(scriptRequest("rollback"));
  }

  async #exec(request: Uint8Array<ArrayBuffer>): Promise<WireReply> {
    const begin = this.#begin;
    this.#begin = null;
    const reply = readReply(await this.#engine.exec(begin === null ? request : joinBytes([begin, request])));
    this.#status = reply.status;
    if (reply.error !== null) throw refusal(this.#engine, reply.error);
    return reply;
  }
}

/** The error of a statement. A damaged store is not asked again: it could acknowledge what it cannot keep. */
function refusal(engine: PgliteEngine, failure: SqlFailure): HayloftError {
  return isDamage(failure) ? engine.condemn({ sqlstate: failure.sqlstate, message: failure.message }) : sqlError(failure);
}

function resultOf<Row>({ results, rows }: WireReply): StatementResult<Row> {
  const { command, affected } = results.at(-1) ?? { command: "", affected: 0 };
  return { rows: rows as Row[], command, affected };
}

/**
 * Hands PGlite's one connection to one user after the other, in the order in which they asked. Statements of their own go to
 * the worker without waiting for the answers to those before them, so that it is never idle while answers travel.
 */
export class PgliteConnectionSource implements ConnectionSource {
  readonly #engine: PgliteEngine;
  readonly #connection: PgliteConnection;
  readonly #release: () => Promise<void>;
  /** The end of the last use, before which nothing else may be sent. */
  #last: Promise<unknown> = Promise.resolve();
  /** Statements of their own that are not answered; a use waits for them. */
  readonly #alone = new Set<Promise<unknown>>();

  /** `release` is called by `close` when nobody uses the connection any more. */
  constructor(engine: PgliteEngine, release: () => Promise<void>) {
    this.#engine = engine;
    this.#connection = new PgliteConnection(engine);
    this.#release = release;
  }

  async use<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const turn = this.#idle().then(async () => await work(this.#connection));
    this.#last = turn.catch(() => null);
    return await turn;
  }

  async alone<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<StatementResult<Row>> {
    const request = statementRequest(sql, wireParameters(parameters));
    const answered = this.#last.then(async () => readReply(await this.#engine.execAlone(request)));
    this.#alone.add(answered);
    try {
      const reply = await answered;
      if (reply.error !== null) throw refusal(this.#engine, reply.error);
      if (reply.status !== "I") throw leftOpen();
      return resultOf(reply);
    } finally {
      this.#alone.delete(answered);
    }
  }

  /** Resolves when everything that was asked for so far has been answered. */
  #idle(): Promise<unknown> {
    return Promise.allSettled([this.#last, ...this.#alone]);
  }

  async close(): Promise<void> {
    await this.#idle();
    await this.#release();
  }
}
