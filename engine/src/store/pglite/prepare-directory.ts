import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { loadImage } from "./pglite-image.ts";
import { syncPath, syncTree } from "./sync-path.ts";
import { unpackTar } from "./tar-archive.ts";

/**
 * Makes PGlite's directory when there is none. It is built beside its place and renamed when it is whole and durable, so
 * a directory under the final name is never an unfinished one and is never wiped; an unfinished draft never held a
 * commit and always is. Not `durable`, it survives a killed process alone.
 *
 * In a directory that is there it removes the lock file that Postgres left. The caller holds a lock of ours, so nobody has the directory open;
 * and Postgres does not start on a lock file that is empty, which the power leaves when it goes while the file is made.
 */
export async function prepareDirectory(dataDir: string, image: string | null, durable: boolean): Promise<void> {
  if (existsSync(dataDir)) {
    rmSync(path.join(dataDir, "postmaster.pid"), { force: true });
    return;
  }
  const draft = `${dataDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  const archive = await loadImage(image);
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  unpackTar(archive, draft);
  if (durable) syncTree(draft);
  renameSync(draft, dataDir);
  if (durable) syncPath(path.dirname(dataDir));
}
