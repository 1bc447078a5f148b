import { open, readdir } from "node:fs/promises";
import path from "node:path";
import { isMissing } from "../../blob/disk-error.ts";
import { CONTROL, isControlWhole, readOrNull } from "./control-file.ts";
import { crc32c, isWholePage, PAGE_BYTES } from "./page-checksum.ts";

/** A file of PGlite's directory that is not as Postgres wrote it. */
export interface FoundDamage {
  readonly file: string;
  /** The page in it; null where the file is checked as a whole. */
  readonly page: number | null;
}

export interface PageScan {
  /** Called between two reads, with the pages of the last one; may wait, so that others have the disk. */
  readonly between?: (pages: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

const READ_PAGES = 64;
const SEGMENT_PAGES = 131_072;
/** Tables, indexes and their visibility maps; Postgres mends free space maps by itself. */
const RELATION = /^\d+(?:_vm|_init)?(?:\.(?<segment>\d+))?$/u;
const LOOKS = 5;
const LOOK_MS = 20;

/**
 * Reads everything that Postgres keeps a checksum of, and returns the first place where it does not hold; null when there is none. The
 * database may be open. After a crash it has to be opened before, as that mends pages which were cut off.
 */
export async function findDamage(pgdata: string, scan: PageScan = {}): Promise<FoundDamage | null> {
  if (!(await looksWhole(() => isControlWhole(pgdata)))) return { file: CONTROL, page: null };
  for (const directory of await relationDirectories(pgdata)) {
    const names = await readdir(path.join(pgdata, directory)).catch((): string[] => []);
    for (const name of names.toSorted()) {
      if (scan.signal?.aborted === true) return null;
      const file = `${directory}/${name}`;
      if (name === "pg_filenode.map" && !isMapWhole(path.join(pgdata, file))) return { file, page: null };
      const segment = RELATION.exec(name);
      if (segment === null) continue;
      const page = await damagedPage(path.join(pgdata, file), Number(segment.groups?.["segment"] ?? 0) * SEGMENT_PAGES, scan);
      if (page !== null) return { file, page };
    }
  }
  return null;
}

async function relationDirectories(pgdata: string): Promise<readonly string[]> {
  const databases = await readdir(path.join(pgdata, "base")).catch((): string[] => []);
  return ["global", ...databases.filter((name) => /^\d+$/u.test(name)).map((name) => `base/${name}`)];
}

/** The number in its file of the first page that is not whole. A file that goes meanwhile was dropped. */
async function damagedPage(file: string, firstBlock: number, { between, signal }: PageScan): Promise<number | null> {
  const handle = await open(file, "r").catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    const buffer = new Uint8Array(READ_PAGES * PAGE_BYTES);
    for (let first = 0; ; first += READ_PAGES) {
      if (signal?.aborted === true) return null;
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, first * PAGE_BYTES);
      const pages = Math.floor(bytesRead / PAGE_BYTES);
      for (let page = 0; page < pages; page += 1) {
        const look = buffer.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        const again = async (): Promise<boolean> =>
          (await handle.read(look, 0, PAGE_BYTES, (first + page) * PAGE_BYTES)).bytesRead < PAGE_BYTES;
        if (!(await isWhole(look, firstBlock + first + page, again))) return first + page;
      }
      await between?.(pages);
      if (pages < READ_PAGES) return null;
    }
  } finally {
    await handle.close();
  }
}

/** Looks a few times: what is being written while it is read is whole at another look. */
async function looksWhole(look: () => boolean): Promise<boolean> {
  for (let count = 1; !look(); count += 1) {
    if (count === LOOKS) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}

/** `again` reads the page once more; true when the file has become shorter. */
async function isWhole(page: Uint8Array, block: number, again: () => Promise<boolean>): Promise<boolean> {
  for (let look = 1; !isWholePage(page, block); look += 1) {
    if (look === LOOKS) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (await again()) return true;
  }
  return true;
}

const isMapWhole = (file: string): boolean => {
  const map = readOrNull(file);
  return map === null || (map.length > 8 && map.readUInt32LE(map.length - 4) === crc32c(map.subarray(0, -4)));
};
