import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { syncPath } from "./sync-path.ts";

/** Which PGlite made a directory. */
export interface StoreVersion {
  readonly pglite: string;
  /** Postgres' major version. */
  readonly postgres: number;
  /** When the directory took the place of an older one; null when it was made new. */
  readonly replacedAt: string | null;
}

/** Lies inside PGlite's directory, so that a rename of the directory moves both at once. Postgres takes no notice of it. */
const MARKER = "hayloft-store.json";

/** The version of a directory; null when it has none that can be read, which is so until it was opened once. */
export function readStoreVersion(pgdata: string): StoreVersion | null {
  const file = path.join(pgdata, MARKER);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as StoreVersion;
  } catch {
    // Altered on the disk. It is written anew when the directory was opened.
    return null;
  }
}

/** Postgres' own marker, which each directory has. */
export const postgresMajor = (pgdata: string): number =>
  Number.parseInt(readFileSync(path.join(pgdata, "PG_VERSION"), "utf8"), 10);

/** Writes the marker durably. */
export function writeStoreVersion(pgdata: string, version: StoreVersion): void {
  const file = path.join(pgdata, MARKER);
  writeFileSync(file, JSON.stringify(version), { mode: 0o600 });
  syncPath(file);
  syncPath(pgdata);
}

/** The part of a version within which data directories stay readable: `0.5` of `0.5.16`. */
export const storeFormat = (pglite: string): string => pglite.split(".").slice(0, 2).join(".");

/** True when the first version is later than the second. */
export function isLater(one: string, other: string): boolean {
  const [left, right] = [one, other].map((version) => version.split(".").map(Number));
  for (let place = 0; place < 3; place += 1) {
    const difference = (left?.[place] ?? 0) - (right?.[place] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
