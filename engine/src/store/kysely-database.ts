import type { CompiledQuery, DatabaseConnection, Driver, QueryResult as KyselyResult, TransactionSettings } from "kysely";
import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Database, SqlParameter, SqlSession, TransactionOptions } from "./database.ts";

/**
 * Kysely over a database or over one transaction of it, compiled for Postgres. On a database, Kysely's own
 * `.transaction()` works but is not retried after a serialization failure; `database.transaction` is, and it also notices
 * calls on the database from inside, which on PGlite would wait for ever. On a transaction
 * it is refused, because transactions do not nest. Destroying the Kysely object does not close the database.
 */
export function kyselyOf<Rows>(session: SqlSession | Database): Kysely<Rows> {
  return new Kysely<Rows>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new SessionDriver(session),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

class SessionDriver implements Driver {
  readonly #session: SqlSession | Database;

  constructor(session: SqlSession | Database) {
    this.#session = session;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SessionConnection> {
    return new SessionConnection(this.#session);
  }

  async beginTransaction(connection: SessionConnection, settings: TransactionSettings): Promise<void> {
    await connection.begin(settings);
  }

  async commitTransaction(connection: SessionConnection): Promise<void> {
    await connection.end(true);
  }

  async rollbackTransaction(connection: SessionConnection): Promise<void> {
    await connection.end(false);
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** Why a transaction that Kysely drives ended without a commit. */
class Ended extends Error {
  readonly asked: boolean;

  constructor(asked: boolean) {
    super(asked ? "rolled back by the caller" : "not repeatable");
    this.asked = asked;
  }
}

interface OpenTransaction {
  readonly tx: SqlSession;
  readonly finish: (commit: boolean) => void;
  readonly done: Promise<void>;
}

class SessionConnection implements DatabaseConnection {
  readonly #session: SqlSession | Database;
  #open: OpenTransaction | null = null;

  constructor(session: SqlSession | Database) {
    this.#session = session;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<KyselyResult<R>> {
    const session = this.#open?.tx ?? this.#session;
    const result = await session.query<R>(query.sql, query.parameters.map(parameterOf));
    return { rows: [...result.rows], numAffectedRows: BigInt(result.affected) };
  }

  streamQuery<R>(): AsyncIterableIterator<KyselyResult<R>> {
    throw new HayloftError("sql-failed", { sqlstate: "0A000", message: "Streams are not supported; read in pages by key." });
  }

  async begin(settings: TransactionSettings): Promise<void> {
    const database = this.#session;
    if (!("transaction" in database)) {
      throw new HayloftError("sql-failed", { sqlstate: "25001", message: "Transactions do not nest; use the session you have." });
    }
    const options = optionsOf(settings);
    this.#open = await new Promise<OpenTransaction>((resolve, reject) => {
      let started = false;
      const done = database.transaction(async (tx) => {
        // A second call is the database's retry; Kysely's callback cannot be repeated from here.
        if (started) throw new Ended(false);
        started = true;
        const commit = await new Promise<boolean>((finish) => resolve({ tx, finish, done }));
        if (!commit) throw new Ended(true);
      }, options);
      done.catch(reject);
    });
  }

  async end(commit: boolean): Promise<void> {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    open.finish(commit);
    try {
      await open.done;
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      if (!error.asked) throw new HayloftError("sql-failed", { sqlstate: "40001" }, error);
    }
  }
}

function optionsOf(settings: TransactionSettings): TransactionOptions {
  const { isolationLevel, accessMode } = settings;
  if (isolationLevel === "snapshot")
    throw new HayloftError("sql-failed", { sqlstate: "0A000", message: "Postgres has no isolation level snapshot." });
  return {
    ...(isolationLevel === undefined
      ? {}
      : { isolation: isolationLevel === "read uncommitted" ? "read committed" : isolationLevel }),
    readOnly: accessMode === "read only",
  };
}

/** Kysely hands values through as they were given; plain objects are meant as JSON. */
function parameterOf(value: unknown): SqlParameter {
  if (value === undefined) return null;
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return JSON.stringify(value);
  return value as SqlParameter;
}
