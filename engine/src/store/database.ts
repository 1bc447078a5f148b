/**
 * A parameter of a statement. Arrays become one Postgres array parameter (text form, nulls allowed); JSON is passed as
 * text. Dates are sent in UTC with microsecond text form.
 */
export type SqlParameter =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | null
  | readonly (string | number | bigint | boolean | null)[];

export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  /** Rows the statement inserted, updated or deleted; 0 for a select. */
  readonly affected: number;
}

/**
 * Statements in one place of execution: a transaction, or a connection in autocommit.
 *
 * Both databases return the same JavaScript values: `boolean`; `number` for int2, int4, int8 (an int8 outside the safe
 * integers throws), float4 and float8; `string` for numeric, text, uuid, date (`YYYY-MM-DD`), time, interval; `Date` for
 * timestamptz; parsed JSON for json and jsonb; `Uint8Array` for bytea; arrays of these for array types.
 */
export interface SqlSession {
  /** Runs one statement with parameters `$1…`. Throws `HayloftError` with code `sql-failed` and detail `sqlstate`. */
  query<Row = Record<string, unknown>>(sql: string, parameters?: readonly SqlParameter[]): Promise<QueryResult<Row>>;
  /** Runs a script of several statements without parameters. */
  script(sql: string): Promise<void>;
}

export interface TransactionOptions {
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
}

/**
 * A Postgres database: PGlite in this process's worker thread, or a server through a pool. When a promise of `query`
 * outside a transaction, or of `transaction`, resolves, the effect is durable to the level that `durability` names.
 */
export interface Database extends SqlSession {
  readonly dialect: "pglite" | "postgres";
  /** D1 survives a killed process, D2 a power cut, D3 the loss of the barn's machine (a server elsewhere). */
  readonly durability: "D0" | "D1" | "D2" | "D3";
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. Serialization failures and
   * deadlocks (40001, 40P01) are retried whole up to 5 times with jitter, so `work` must be repeatable.
   */
  transaction<T>(work: (tx: SqlSession) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Calls `listener` soon after any write transaction made through this object has committed; returns the unsubscriber. */
  onWrite(listener: () => void): () => void;
  /** Waits for running statements, closes every connection and releases locks. */
  close(): Promise<void>;
}
