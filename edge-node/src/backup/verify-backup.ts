import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import type { BackupManifest } from "./backup-manifest.ts";
import { checkUnpacked, unpackBackup } from "./unpack-backup.ts";

/**
 * Restores a backup into a scratch directory below `scratch`, opens its database and compares it with what was saved. Nothing is left. Throws
 * what `unpackBackup` and `checkUnpacked` throw.
 */
export async function verifyBackup(
  file: string,
  identities: readonly string[],
  scratch: string,
): Promise<{ readonly manifest: BackupManifest; readonly unpackMs: number; readonly checkMs: number }> {
  const directory = await mkdtemp(path.join(scratch, ".hayloft-check-"));
  try {
    const from = performance.now();
    const manifest = await unpackBackup(file, identities, directory);
    const unpacked = performance.now();
    await checkUnpacked(directory, manifest, false);
    const checkMs = Math.round(performance.now() - unpacked);
    return { manifest, unpackMs: Math.round(unpacked - from), checkMs };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
