import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../store/postgres/embedded-postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of the server that all tests of the run share. */
    hayloftPostgres: string;
  }
}

/** Tests throw their databases away, so this server need not survive a power cut. */
const settings = {
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "off",
  max_connections: "200",
  shared_buffers: "64MB",
};

let remove: () => Promise<void> = () => Promise.resolve();

/** The vitest global setup: one Postgres server for the whole run. */
export async function setup(project: TestProject): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), "hayloft-postgres-"));
  // The server runs as another user when we are root.
  await chmod(root, 0o755);
  const server = await startEmbeddedPostgres({ dataDir: path.join(root, "data"), settings });
  project.provide("hayloftPostgres", server.connectionString);
  remove = async () => {
    await server.stop();
    await rm(root, { recursive: true, force: true });
  };
}

/** Stops and removes the server. */
export async function teardown(): Promise<void> {
  await remove();
}
