import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { HayloftError } from "@hayloft/engine";
import { diskError } from "@hayloft/engine/blob";
import { syncAbove, syncPath, syncTree } from "@hayloft/engine/pglite";
import type { BackupManifest } from "./backup-manifest.ts";
import { checkUnpacked, unpackBackup } from "./unpack-backup.ts";

const UNFINISHED = ".restore-unfinished";

/** Throws `restore-unfinished` when a restore into a data directory was cut off: a node must not start from parts. */
export function refuseUnfinishedRestore(dataDir: string): void {
  if (existsSync(path.join(dataDir, UNFINISHED))) throw new HayloftError("restore-unfinished", { directory: dataDir });
}

/**
 * Makes a node of a backup in a data directory that is empty or does not exist. The backup is unpacked beside its place and checked, and
 * only then moved there; until the last step the daemon refuses the directory, and a restore that was cut off begins anew.
 * Throws `directory-used`, and what `unpackBackup` and `checkUnpacked` throw; the directory is empty again then.
 */
export async function restoreBackup(
  file: string,
  identities: readonly string[],
  dataDir: string,
): Promise<{ readonly manifest: BackupManifest; readonly unpackMs: number; readonly checkMs: number }> {
  const draft = path.join(dataDir, UNFINISHED);
  await emptied(dataDir);
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    syncPath(dataDir);
    syncAbove(dataDir);
    const from = performance.now();
    const manifest = await unpackBackup(file, identities, draft);
    const unpacked = performance.now();
    await checkUnpacked(draft, manifest, false);
    syncTree(draft);
    const checked = performance.now();
    await moveUp(draft, dataDir);
    return { manifest, unpackMs: Math.round(unpacked - from), checkMs: Math.round(checked - unpacked) };
  } catch (error) {
    await clear(dataDir);
    throw diskError(error, "data directory");
  }
}

/** Refuses a directory with anything in it but what a restore that was cut off has left, which is removed. */
async function emptied(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const names = await readdir(dataDir);
  if (names.length > 0 && !names.includes(UNFINISHED)) throw new HayloftError("directory-used", { directory: dataDir });
  await clear(dataDir);
}

/** The mark of the unfinished restore goes last. */
async function clear(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch(() => []);
  for (const name of names.filter((other) => other !== UNFINISHED))
    await rm(path.join(dataDir, name), { recursive: true, force: true });
  await rm(path.join(dataDir, UNFINISHED), { recursive: true, force: true });
}

async function moveUp(draft: string, dataDir: string): Promise<void> {
  for (const name of await readdir(draft)) await rename(path.join(draft, name), path.join(dataDir, name));
  syncPath(dataDir);
  await rm(draft, { recursive: true });
  syncPath(dataDir);
}
