import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { HayloftError, isHayloftError } from "@hayloft/engine";
import type { EmbeddedPostgresServer } from "@hayloft/engine/postgres";
import { openPostgresDatabase, startEmbeddedPostgres } from "@hayloft/engine/postgres";
import { isRunning, processStart } from "./process-start.ts";

const ROLE = "hayloft";
const DATABASE = "hayloft";
const LOCKED_WAIT_MS = 20_000;
const LOCKED_PAUSE_MS = 100;

export interface EmbeddedDatabase {
  /** Connection string of the application's role: no superuser, owner of the database. */
  readonly connectionString: string;
  /** True when this process started the server, and will stop it. */
  readonly owned: boolean;
  /** Resolves when a server that this process started has ended, stopped or by itself; otherwise never. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** 0: a free one. */
  readonly port: number;
  /** Connect to the server of another live process instead of throwing `store-locked`. */
  readonly attach: boolean;
}

/**
 * Opens the embedded Postgres in `dataDir`. A server that a killed process left behind ends by itself; this waits for it.
 * Throws `store-locked` when another hub runs on the directory, `store-failed` when its password file is damaged.
 */
export async function openEmbeddedDatabase(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const dataDir = path.resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const password = ensurePassword(dataDir);
  const giveUpAt = performance.now() + LOCKED_WAIT_MS;
  for (;;) {
    const owner = liveOwner(dataDir);
    if (owner !== null) {
      if (!options.attach) throw new HayloftError("store-locked", { directory: dataDir, process: owner.pid });
      return { connectionString: urlOf(owner.port, password), owned: false, ended: never, stop: async () => undefined };
    }
    try {
      return await start(dataDir, options.port, password);
    } catch (error) {
      // Another process is just starting or stopping the server.
      if (!isHayloftError(error, "store-locked") || performance.now() > giveUpAt) throw error;
      await setTimeout(LOCKED_PAUSE_MS);
    }
  }
}

async function start(dataDir: string, port: number, password: string): Promise<EmbeddedDatabase> {
  const server = await startEmbeddedPostgres({ dataDir: path.join(dataDir, "postgres"), ...(port === 0 ? {} : { port }) });
  try {
    await prepare(server, password);
    // From here on commands may use the server.
    writeOwner(dataDir, server.port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    connectionString: urlOf(server.port, password),
    owned: true,
    ended: server.ended,
    stop: async () => {
      rmSync(ownerFile(dataDir), { force: true });
      await server.stop();
    },
  };
}

const never = new Promise<void>(() => undefined);

/** Role and database of the application; repeatable, and right after a kill at any point. */
async function prepare(server: EmbeddedPostgresServer, password: string): Promise<void> {
  const database = await openPostgresDatabase({
    connectionString: server.connectionString,
    poolMax: 1,
    applicationName: "hayloft-hub setup",
  });
  try {
    await database.script(`do $$ begin
      if not exists (select from pg_roles where rolname = '${ROLE}') then create role ${ROLE} login nosuperuser; end if;
    end $$; alter role ${ROLE} password '${password}'`);
    const found = await database.query("select 1 from pg_database where datname = $1", [DATABASE]);
    if (found.rows.length === 0) await database.query(`create database ${DATABASE} owner ${ROLE}`);
  } finally {
    await database.close();
  }
}

/** The application's password, made at the first start. Hex, so it holds nothing that SQL or a URL would have to escape. */
function ensurePassword(dataDir: string): string {
  const file = path.join(dataDir, "application.password");
  try {
    writeFileSync(file, randomBytes(24).toString("hex"), { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
      throw new HayloftError("store-failed", { file }, error);
  }
  const password = readFileSync(file, "utf8");
  if (/^[0-9a-f]{48}$/.test(password)) return password;
  throw new HayloftError("store-failed", { file, reason: "it is damaged; delete it and start again for a new password" });
}

const urlOf = (port: number, password: string): string => `postgres://${ROLE}:${password}@127.0.0.1:${port}/${DATABASE}`;

const ownerFile = (dataDir: string): string => path.join(dataDir, "owner.json");

interface Owner {
  readonly pid: number;
  readonly start: string;
  readonly port: number;
}

function writeOwner(dataDir: string, port: number): void {
  const owner: Owner = { pid: process.pid, start: processStart(process.pid), port };
  const draft = `${ownerFile(dataDir)}.new`;
  writeFileSync(draft, JSON.stringify(owner), { mode: 0o600 });
  renameSync(draft, ownerFile(dataDir));
}

/** The process that runs the server, when it still lives. A later process with the same id is told by its start time. */
function liveOwner(dataDir: string): Owner | null {
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(ownerFile(dataDir), "utf8"));
  } catch {
    // No file, or one from a crash in the middle of a write: nobody owns the server.
    return null;
  }
  if (typeof read !== "object" || read === null || !("pid" in read) || !("start" in read) || !("port" in read)) return null;
  const owner = { pid: Number(read.pid), start: String(read.start), port: Number(read.port) };
  return isRunning(owner.pid) && processStart(owner.pid) === owner.start ? owner : null;
}
