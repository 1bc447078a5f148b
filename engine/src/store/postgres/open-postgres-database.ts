import { platform } from "#platform";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import { ConnectedDatabase } from "../connected-database.ts";
import type { Database } from "../database.ts";
import { readerOf } from "../value/value-text.ts";
import { registerPool } from "./pool-use.ts";
import { PoolConnectionSource } from "./postgres-connection.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly connectionString: string;
  /** Connections at most; default 10. A call waits up to 10 s for a free one, then throws `unavailable`. */
  readonly poolMax?: number;
  /** TLS. True checks the server's certificate against the system's authorities; `{ ca }` against that authority. */
  readonly ssl?: boolean | ConnectionOptions;
  /** A statement that waits so long for a lock fails with 55P03; default 0, which waits for ever. */
  readonly lockTimeoutMs?: number;
  /** The name that the server's views and logs show; default `hayloft`. */
  readonly applicationName?: string;
}

const connectTimeoutMs = 10_000;

/**
 * Opens a pool of connections to a Postgres server (15–18) and proves that one works. Throws `unavailable` when the
 * server cannot be reached, and `sql-failed` when it refuses the user. Later, lost connections make the running calls
 * fail with `unavailable` and are replaced by the next call; detail `outcome` is `unknown` when the connection was lost
 * during a commit, so that the caller must look before it repeats. The durability is D3, and D1 on a server that runs with `fsync` off.
 *
 * Statements are not prepared by name: that breaks behind poolers in transaction mode and after `alter table`.
 */
export async function openPostgresDatabase(options: PostgresOptions): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.poolMax ?? 10,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: options.applicationName ?? "hayloft",
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    types: { getTypeParser: (typeOid: number) => readerOf(typeOid) },
    // Awaited before the connection is handed out; the text forms that the value readers expect.
    onConnect: (client) =>
      client.query(
        `${sessionSettings}; ${durableCommits}; set lock_timeout = ${Math.trunc(options.lockTimeoutMs ?? 0)}`,
      ) as unknown as undefined,
  });
  // The pool drops a connection that was lost while idle; the next call opens another and reports what is wrong then.
  pool.on("error", () => undefined);
  const source = new PoolConnectionSource(pool);
  try {
    const { rows } = await source.alone<{ syncs: boolean }>("select current_setting('fsync')::boolean as syncs", []);
    const durability = rows[0]?.syncs === true ? "D3" : "D1";
    const database = new ConnectedDatabase({ dialect: "postgres", durability, source, guard: platform.nestingGuard() });
    registerPool(database, pool);
    return database;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * What an acknowledgement says must not depend on what somebody set for the role or the database: a commit that is answered before it is
 * synced is lost with the server's power. Stronger settings than `on` stay, and a server that never syncs gains nothing by waiting.
 */
const durableCommits =
  "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off' and current_setting('fsync') = 'on'";

const sessionSettings =
  "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1";
