import { writeFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres, type EmbeddedPostgresServer } from "../store/postgres/embedded-postgres.ts";
import { baseCopy, ownAs } from "./base-copy.ts";

const SMALL = { shared_buffers: "32MB", max_connections: "30" };

/** A Postgres server with an asynchronous standby that streams from it, can be cut off, and can take over. */
export class StandbyPostgres {
  readonly #root: string;
  #primary: EmbeddedPostgresServer;
  #standby: EmbeddedPostgresServer | null = null;

  private constructor(root: string, primary: EmbeddedPostgresServer) {
    this.#root = root;
    this.#primary = primary;
  }

  /** `root` must be an empty directory that every user may enter. */
  static async start(root: string): Promise<StandbyPostgres> {
    return new StandbyPostgres(root, await startEmbeddedPostgres({ dataDir: path.join(root, "data"), settings: SMALL }));
  }

  /** Of a database on the server that serves now. */
  url(database: string): string {
    const url = new URL(this.#primary.connectionString);
    url.pathname = `/${database}`;
    return url.href;
  }

  async sql(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.#primary.connectionString });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Makes the standby, which then streams. */
  async follow(): Promise<void> {
    const dataDir = path.join(this.#root, "standby");
    await baseCopy(this.#primary.connectionString, path.join(this.#root, "data"), dataDir);
    writeFileSync(path.join(dataDir, "standby.signal"), "");
    ownAs(dataDir, path.join(this.#root, "data"));
    const { port, username, password } = new URL(this.#primary.connectionString);
    const settings = { ...SMALL, primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password}` };
    this.#standby = await startEmbeddedPostgres({ dataDir, settings });
  }

  /** The standby hears nothing any more. */
  async cutOff(): Promise<void> {
    await this.#standby?.stop();
    this.#standby = null;
  }

  /** The server is gone with its files; the standby, with what it had, serves in its place. */
  async failOver(): Promise<void> {
    await this.#primary.stop();
    await this.#standby?.stop();
    this.#standby = null;
    this.#primary = await startEmbeddedPostgres({ dataDir: path.join(this.#root, "standby"), settings: SMALL });
    await this.sql("select pg_promote(true, 30)");
  }

  async stop(): Promise<void> {
    await this.#standby?.stop();
    await this.#primary.stop();
  }
}
