import { chownSync, cpSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres, type EmbeddedPostgresServer } from "../store/postgres/embedded-postgres.ts";
import { baseCopy, ownAs } from "./base-copy.ts";

/**
 * A Postgres server that archives its WAL, and can be lost and restored to a point in time from a base copy.
 */
export class ArchivedPostgres {
  readonly #root: string;
  #server: EmbeddedPostgresServer;

  private constructor(root: string, server: EmbeddedPostgresServer) {
    this.#root = root;
    this.#server = server;
  }

  /** `root` must be an empty directory that every user may enter. */
  static async start(root: string): Promise<ArchivedPostgres> {
    const archive = path.join(root, "archive");
    mkdirSync(archive, { mode: 0o777 });
    const settings = {
      archive_mode: "on",
      archive_command: `cp %p ${archive}/%f`,
      shared_buffers: "32MB",
      max_connections: "30",
    };
    const server = await startEmbeddedPostgres({ dataDir: path.join(root, "data"), settings });
    const { uid, gid } = statSync(path.join(root, "data"));
    chownSync(archive, uid, gid);
    return new ArchivedPostgres(root, server);
  }

  /** Of a database on the server as it is now. */
  url(database: string): string {
    const url = new URL(this.#server.connectionString);
    url.pathname = `/${database}`;
    return url.href;
  }

  async sql(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.#server.connectionString });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Copies the running server's files. */
  async baseCopy(): Promise<void> {
    await baseCopy(this.#server.connectionString, path.join(this.#root, "data"), path.join(this.#root, "base"));
  }

  /** Names the present moment, and has everything up to it archived. */
  async restorePoint(name: string): Promise<void> {
    await this.sql(`select pg_create_restore_point('${name}')`);
    await this.sql("select pg_switch_wal()");
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  /** The server's files are gone; what the copy and the archive hold comes back, up to the named moment. */
  async loseAndRestore(name: string): Promise<void> {
    await this.#server.stop();
    const data = path.join(this.#root, "data");
    const restored = path.join(this.#root, "restored");
    cpSync(path.join(this.#root, "base"), restored, { recursive: true, preserveTimestamps: true });
    writeFileSync(path.join(restored, "recovery.signal"), "");
    ownAs(restored, data);
    rmSync(data, { recursive: true });
    const settings = {
      restore_command: `cp ${path.join(this.#root, "archive")}/%f %p`,
      recovery_target_name: name,
      recovery_target_action: "promote",
      shared_buffers: "32MB",
      max_connections: "30",
    };
    this.#server = await startEmbeddedPostgres({ dataDir: restored, settings });
    for (let recovering = true; recovering;) {
      recovering = (await this.sql("select pg_is_in_recovery() as recovering"))[0]?.["recovering"] === true;
    }
  }
}
