import { existsSync, statfsSync } from "node:fs";
import path from "node:path";

/** What PGlite needs to start and to write its next log segment of 16 MiB, with some room. */
const neededBytes = 32 * 1024 * 1024;

/** The bytes free and needed when the file system of `place`, which need not exist, is full; else null. */
export function fullDiskOf(place: string): { readonly freeBytes: number; readonly neededBytes: number } | null {
  let existing = path.resolve(place);
  while (!existsSync(existing)) existing = path.dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const freeBytes = bavail * bsize;
  return freeBytes < neededBytes ? { freeBytes, neededBytes } : null;
}
