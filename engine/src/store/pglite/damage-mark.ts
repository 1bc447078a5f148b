import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type ErrorDetails, HayloftError } from "../../error/hayloft-error.ts";
import { syncPath } from "./sync-path.ts";

/** Lies beside PGlite's directory from the moment in which damage was found in it. Who has looked at the disk may remove it. */
const MARK = "damaged.json";

const markOf = (dataDir: string): string => path.join(dataDir, MARK);

/** What was found damaged in a store; null when nothing was. */
export function damageOf(dataDir: string): ErrorDetails | null {
  if (!existsSync(markOf(dataDir))) return null;
  try {
    return JSON.parse(readFileSync(markOf(dataDir), "utf8")) as ErrorDetails;
  } catch {
    // That it is there is what counts.
    return { reason: "damaged" };
  }
}

/** Throws `store-damaged` for a store in which damage was found: it is not opened again as if nothing had been. */
export function refuseDamaged(dataDir: string): void {
  const found = damageOf(dataDir);
  if (found !== null) throw new HayloftError("store-damaged", found);
}

/** Forgets that a store is damaged, of which nobody needs anything: it is about to be replaced. */
export function forgiveStore(dataDir: string): void {
  rmSync(markOf(dataDir), { force: true });
}

/** Notes durably that a store is damaged, and returns the error that says so. The first finding stays. */
export function condemnStore(dataDir: string, found: ErrorDetails): HayloftError {
  try {
    writeFileSync(markOf(dataDir), JSON.stringify({ ...found, at: new Date().toISOString() }), { flag: "wx", mode: 0o600 });
    syncPath(markOf(dataDir));
    syncPath(dataDir);
  } catch {
    // A disk that takes no mark keeps nobody from saying so; who opens the store meets the damage again.
  }
  return new HayloftError("store-damaged", found);
}
