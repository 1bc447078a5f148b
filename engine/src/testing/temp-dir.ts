import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

/** A new, empty directory that is removed when the running test has finished. */
export async function tempDir(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "hayloft-test-"));
  onTestFinished(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}
