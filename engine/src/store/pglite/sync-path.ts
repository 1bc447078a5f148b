import { closeSync, fsyncSync, openSync, readdirSync } from "node:fs";
import path from "node:path";

/** Error codes by which a file system says that it has no fsync at all, rather than that this one failed. */
export const syncUnsupported: ReadonlySet<string> = new Set(["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/**
 * Makes a file's content, or the names in a directory, durable. A file's own fsync does not promise that its name survives
 * a power cut, so a new file takes both.
 */
export function syncPath(place: string): void {
  const fd = openSync(place, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes all files and names below `directory` durable. The name of `directory` itself takes `syncPath` of its parent. */
export function syncTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const child = path.join(directory, entry.name);
    if (entry.isDirectory()) syncTree(child);
    else if (entry.isFile()) syncPath(child);
  }
  syncPath(directory);
}

/** Error codes by which a directory that is not ours says that we may not sync it. */
const notOurs: ReadonlySet<string> = new Set([...syncUnsupported, "EACCES", "EPERM", "EROFS"]);

/**
 * Makes the name of `place` durable, and those of the directories above it, which may have been made with it. Of directories that may not be synced the
 * system takes care.
 */
export function syncAbove(place: string): void {
  const full = path.resolve(place);
  for (
    let directory = path.dirname(full), below = full;
    directory !== below;
    below = directory, directory = path.dirname(directory)
  ) {
    try {
      syncPath(directory);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && notOurs.has(String(error.code)))) throw error;
    }
  }
}
