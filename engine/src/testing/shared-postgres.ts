import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../store/postgres/embedded-postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of the server that all tests of the project share. */
    hayloftPostgres: string;
    /** The release of that server when it is an older one, whose project repeats what depends on the database. */
    hayloftOlderPostgres: string | null;
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

/** The vitest global setup: one Postgres server for the whole run of a project. Returns what stops and removes it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const release = project.config.provide.hayloftOlderPostgres;
  const root = await mkdtemp(path.join(tmpdir(), "hayloft-postgres-"));
  // The server runs as another user when we are root.
  await chmod(root, 0o755);
  const server = await startEmbeddedPostgres({
    dataDir: path.join(root, "data"),
    settings,
    ...(release && { packageName: `embedded-postgres-${release}` }),
  });
  project.provide("hayloftPostgres", server.connectionString);
  return async () => {
    await server.stop();
    await rm(root, { recursive: true, force: true });
  };
}
