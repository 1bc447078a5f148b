import { copyFileSync, existsSync } from "node:fs";
import path from "node:path";
import { CONTROL, isControlWhole } from "./control-file.ts";

/** A copy of the file without which nothing of a database can be read: one page, written anew at each checkpoint. */
const KEPT = "pg_control.kept";

/** Keeps a copy of the control file, as it is after an opening, a checkpoint or a close. Never throws: it is needed only when much else went wrong. */
export function keepControl(pgdata: string): void {
  try {
    if (isControlWhole(pgdata)) copyFileSync(path.join(pgdata, CONTROL), path.join(path.dirname(pgdata), KEPT));
  } catch {
    return;
  }
}

/** Puts the kept copy into a copy of a damaged database, where its own control file is not whole. */
export function mendControl(pgdata: string): void {
  const kept = path.join(path.dirname(pgdata), KEPT);
  if (!isControlWhole(pgdata) && existsSync(kept)) copyFileSync(kept, path.join(pgdata, CONTROL));
}
