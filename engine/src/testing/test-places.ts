import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** Free bytes of memory from which on the directories of a test run lie in it. */
const MEMORY_BYTES_MIN = 8 * 2 ** 30;
const MEMORY = "/dev/shm";

/**
 * The vitest global setup of places: everything that the tests put into temporary directories lies below one, which is removed at
 * the end. It is in memory where there is room: a store is a thousand files, which are made, copied and removed many hundred times. Nothing
 * that a test proves depends on it: a killed process loses no file there either, and power cuts are played from a record.
 */
export async function setup(): Promise<() => Promise<void>> {
  // Each project of the run calls this, in one process.
  if (process.env["HAYLOFT_TEST_PLACES"] !== undefined) return async () => undefined;
  const root = await mkdtemp(path.join((await hasRoom()) ? MEMORY : tmpdir(), "hayloft-tests-"));
  // Postgres runs as another user when we are root.
  await chmod(root, 0o755);
  if (root.startsWith(MEMORY) && !(await canExecute(root))) {
    await rm(root, { recursive: true });
    return async () => undefined;
  }
  process.env["HAYLOFT_TEST_PLACES"] = root;
  process.env["TMPDIR"] = root;
  return async () => await rm(root, { recursive: true, force: true });
}

async function hasRoom(): Promise<boolean> {
  const found = await statfs(MEMORY).catch(() => null);
  return found !== null && Math.min(found.bavail * found.bsize, freemem()) >= MEMORY_BYTES_MIN;
}

/** The browser is unpacked there; memory may be mounted without the right to run programs. */
async function canExecute(directory: string): Promise<boolean> {
  const script = path.join(directory, "try");
  await writeFile(script, "#!/bin/sh\n", { mode: 0o755 });
  return await promisify(execFile)(script).then(
    () => true,
    () => false,
  );
}
