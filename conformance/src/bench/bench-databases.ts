import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { catalog, catalogDdl, type Database, ensurePartitions, local, migrate, newId } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { openPostgresDatabase, startEmbeddedPostgres } from "@hayloft/engine/postgres";
import { farmCatalog, farmMigrations } from "@hayloft/schema";

/** Where the benchmark's rows lie: all in one month, so that one partition takes them. */
export const START_MS = Date.UTC(2026, 10, 1);
const END_MS = Date.UTC(2026, 11, 1);

/** What a benchmark opened, closed again by `close` in reverse order. */
export class Bench {
  readonly #closers: (() => Promise<void>)[] = [];
  #server: Awaited<ReturnType<typeof startEmbeddedPostgres>> | null = null;
  #databases = 0;

  /** A directory that is removed at the end. */
  tempDir(): string {
    const dir = mkdtempSync(join(tmpdir(), "hayloft-bench-"));
    // Where the benchmark runs as root, Postgres runs as another user, who has to get in.
    chmodSync(dir, 0o711);
    this.onClose(async () => rmSync(dir, { recursive: true, force: true }));
    return dir;
  }

  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** PGlite on disk with real fsync, empty. */
  async pglite(): Promise<Database> {
    const database = await openPgliteDatabase({ dataDir: join(this.tempDir(), "data") });
    this.onClose(() => database.close());
    return database;
  }

  /** A new database on the benchmark's Postgres, fsync on, empty. */
  async postgres(): Promise<Database> {
    const connectionString = await this.postgresUrl();
    const database = await openPostgresDatabase({ connectionString });
    this.onClose(() => database.close());
    return database;
  }

  async postgresUrl(): Promise<string> {
    const server = this.#server ?? (await startEmbeddedPostgres({ dataDir: join(this.tempDir(), "postgres") }));
    if (this.#server === null) this.onClose(() => server.stop());
    this.#server = server;
    this.#databases += 1;
    const name = `bench_${this.#databases}`;
    const admin = await openPostgresDatabase({ connectionString: server.connectionString, poolMax: 1 });
    await admin.script(`create database ${name}`);
    await admin.close();
    const url = new URL(server.connectionString);
    url.pathname = `/${name}`;
    return url.href;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    this.#closers.length = 0;
  }
}

/** The standard table alone: its keys, indexes and partition, and no capture. What a floor writes to. */
export const createPlainTelemetry = async (database: Database): Promise<void> => {
  const telemetry = farmCatalog.tables.filter(({ name }) => name === "telemetry_raw").map((item) => ({ ...item, rule: local() }));
  const plain = catalog({ ...farmCatalog, tables: telemetry });
  const migrations = [{ name: "0001_plain", sql: catalogDdl(plain) }];
  await migrate(database, { catalog: plain, migrations, nodeId: newId(), tier: "edge" });
  await ensurePartitions(database, plain, START_MS, END_MS - 1);
};

/** The whole farm schema with capture. */
export const createFarm = async (database: Database, tier: "cloud" | "edge"): Promise<void> => {
  await migrate(database, { catalog: farmCatalog, migrations: farmMigrations, nodeId: newId(), tier });
  await ensurePartitions(database, farmCatalog, START_MS, END_MS - 1);
};
