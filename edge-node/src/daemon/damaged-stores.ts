import { existsSync, readdirSync } from "node:fs";
import { mkdir, open, rename, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { HayloftError } from "@hayloft/engine";
import { damageOf, lockDirectory, syncPath } from "@hayloft/engine/pglite";
import { type Salvaged, saveUnsent, type Taken } from "@hayloft/engine/salvage";
import { sizeOf } from "../backup/make-backup.ts";

/** Where damaged databases are kept, below the data directory. Nothing but a person deletes them. */
const KEPT = "damaged";
/** More than these in a row are no accident of a page any more, and would fill the disk. */
const KEPT_MAX = 3;
const SCRATCH = ".reading";
const UNSENT = "unsent.jsonl";
const TAKEN = "taken.json";
const SPARE_BYTES = 64 * 1024 * 1024;

export interface Owner {
  readonly tenant: string;
  readonly node: string;
}

/** A damaged database that was set aside, and its unsent work as it could be read. */
export interface DamagedStoreAside {
  readonly directory: string;
  readonly unsent: string;
}

const databaseOf = (dataDir: string): string => path.join(dataDir, "database");

/** The directories of the damaged databases that are kept, relative to the data directory, the oldest first. */
export function damagedStores(dataDir: string): readonly string[] {
  const place = path.join(dataDir, KEPT);
  if (!existsSync(place)) return [];
  return readdirSync(place)
    .filter((name) => !name.startsWith("."))
    .toSorted()
    .map((name) => path.join(KEPT, name));
}

/** True when damage was found in the node's database. */
export const isDamaged = (dataDir: string): boolean => damageOf(databaseOf(dataDir)) !== null;

/**
 * Saves what can be read of the unsent work of a damaged database, and moves the database aside; null when it is not damaged. When it resolves, the node has no
 * database. Killed at any point, it is gone on with when it is called again. Throws `store-damaged` where as many are kept as may be, and
 * `store-full` where the disk has no room to read it.
 */
export async function setDamagedAside(
  dataDir: string,
  owner: Owner,
): Promise<{ readonly directory: string; readonly salvaged: Salvaged } | null> {
  const database = databaseOf(dataDir);
  const found = damageOf(database);
  if (found === null) return null;
  const kept = damagedStores(dataDir);
  if (kept.length >= KEPT_MAX) {
    const reason = `${kept.length} damaged databases are kept already: replace the disk, or delete those that nobody needs`;
    throw new HayloftError("store-damaged", { reason, directory: path.join(dataDir, KEPT) });
  }
  await mkdir(path.join(dataDir, KEPT), { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(database);
  let salvaged: Salvaged;
  try {
    await assertRoom(dataDir);
    const places = { scratch: path.join(dataDir, KEPT, SCRATCH), file: path.join(database, UNSENT) };
    salvaged = await saveUnsent({ dataDir: database, ...places, ...owner });
    await rm(places.scratch, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
  const directory = path.join(KEPT, new Date().toISOString().replaceAll(/[:.]/gu, "-"));
  await rename(database, path.join(dataDir, directory));
  syncPath(path.join(dataDir, KEPT));
  syncPath(dataDir);
  return { directory, salvaged };
}

/** A copy is read, so that what is kept stays as it was found. */
async function assertRoom(dataDir: string): Promise<void> {
  if (existsSync(path.join(databaseOf(dataDir), UNSENT))) return;
  const [{ bavail, bsize }, bytes] = [await statfs(dataDir), await sizeOf(databaseOf(dataDir))];
  const [freeBytes, neededBytes] = [bavail * bsize, bytes + SPARE_BYTES];
  if (freeBytes < neededBytes) throw new HayloftError("store-full", { directory: dataDir, freeBytes, neededBytes });
}

/** Those whose unsent work is in no database of this node yet. */
export const unfinishedStores = (dataDir: string): readonly DamagedStoreAside[] =>
  damagedStores(dataDir)
    .map((directory) => ({ directory, unsent: path.join(dataDir, directory, UNSENT) }))
    .filter(({ directory, unsent }) => existsSync(unsent) && !existsSync(path.join(dataDir, directory, TAKEN)));

/** Notes durably that the unsent work of one is in the node's database. */
export async function noteTaken(dataDir: string, { directory }: DamagedStoreAside, taken: Taken): Promise<void> {
  const file = path.join(dataDir, directory, TAKEN);
  const handle = await open(`${file}.new`, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ ...taken, at: new Date().toISOString() })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  syncPath(path.dirname(file));
}
