import { existsSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { DatabaseRebuild } from "../../migrate/rebuild-database.ts";
import type { Database } from "../database.ts";
import { copyDatabase, sumTables } from "./copy-database.ts";
import { installedPglite } from "./installed-pglite.ts";
import { isLater, postgresMajor, readStoreVersion, storeFormat, type StoreVersion, writeStoreVersion } from "./store-version.ts";
import { syncPath, syncTree } from "./sync-path.ts";

/** Where an upgrade stands; each is reached once everything before it is durable. */
export type UpgradeStep = "found" | "built" | "copied" | "verified" | "marked" | "set-aside" | "switched";

export interface DirectoryUpgrade {
  /** Opens PGlite on a directory, made new when it does not exist. */
  readonly open: (pgdata: string) => Promise<Database>;
  readonly rebuild: DatabaseRebuild;
  readonly onStep?: (step: UpgradeStep) => void;
}

/** How long the directory that was replaced is kept. */
const KEPT_MS = 7 * 86_400_000;

const draftOf = (pgdata: string): string => `${pgdata}.next`;
const asideOf = (pgdata: string): string => `${pgdata}.previous`;

/**
 * Finishes a switch that was cut off: a draft is marked only when it was verified, and then it is the database. To be called
 * before anything makes a new directory.
 */
export function resumeSwitch(pgdata: string): void {
  if (existsSync(pgdata)) return;
  if (existsSync(draftOf(pgdata)) && readStoreVersion(draftOf(pgdata)) !== null) renameSync(draftOf(pgdata), pgdata);
  else if (existsSync(asideOf(pgdata))) renameSync(asideOf(pgdata), pgdata);
  else return;
  syncPath(path.dirname(pgdata));
}

/** True when the directory was made by a PGlite whose files the installed one may read otherwise. */
export function needsUpgrade(pgdata: string): boolean {
  const version = existsSync(pgdata) ? readStoreVersion(pgdata) : null;
  return version !== null && storeFormat(version.pglite) !== storeFormat(installedPglite());
}

/**
 * Moves a database into a directory that the installed PGlite has made: tables anew, rows copied, the sums of all tables compared
 * (those of the engine too), and the directories switched by renames. Until the last of them the old directory is untouched, and a
 * process that is killed at any point begins again or finishes the switch. The old directory stays beside it for a week.
 *
 * Throws `store-version` for a directory of a later PGlite, or of another Postgres than the installed one can read, and
 * `store-failed` when the copy is not equal; nothing has changed then.
 */
export async function upgradeDirectory(pgdata: string, upgrade: DirectoryUpgrade): Promise<void> {
  checkReadable(readStoreVersion(pgdata));
  upgrade.onStep?.("found");
  const draft = draftOf(pgdata);
  rmSync(draft, { recursive: true, force: true });
  await fillDraft(pgdata, draft, upgrade);
  syncTree(draft);
  upgrade.onStep?.("verified");
  writeStoreVersion(draft, {
    pglite: installedPglite(),
    postgres: postgresMajor(draft),
    replacedAt: new Date().toISOString(),
  });
  upgrade.onStep?.("marked");
  rmSync(asideOf(pgdata), { recursive: true, force: true });
  renameSync(pgdata, asideOf(pgdata));
  syncPath(path.dirname(pgdata));
  upgrade.onStep?.("set-aside");
  resumeSwitch(pgdata);
  upgrade.onStep?.("switched");
}

function checkReadable(version: StoreVersion | null): void {
  if (version === null) return;
  const installed = installedPglite();
  if (!isLater(version.pglite, installed)) return;
  throw new HayloftError("store-version", { reason: "made by a later version", madeBy: version.pglite, installed });
}

async function fillDraft(pgdata: string, draft: string, { open, rebuild, onStep }: DirectoryUpgrade): Promise<void> {
  const target = await open(draft);
  try {
    const [made, installed] = [postgresMajor(pgdata), postgresMajor(draft)];
    if (made !== installed) {
      throw new HayloftError("store-version", { reason: "made by another Postgres", madeBy: made, installed });
    }
    const source = await open(pgdata);
    try {
      await rebuild.build(target, source);
      onStep?.("built");
      await copyDatabase(source, target);
      onStep?.("copied");
      await compare(source, target);
    } finally {
      await source.close();
    }
    await rebuild.finish(target);
    await target.script("CHECKPOINT");
  } finally {
    await target.close();
  }
}

async function compare(source: Database, target: Database): Promise<void> {
  const [before, after] = [await source.transaction(sumTables), await target.transaction(sumTables)];
  const differing = before.filter((sum, place) => JSON.stringify(sum) !== JSON.stringify(after[place]));
  if (differing.length > 0 || before.length !== after.length) {
    throw new HayloftError("store-failed", {
      reason: "the copy differs",
      tables: differing.map(({ table }) => table).join(", "),
    });
  }
}

/** Marks a directory that has no marker, and removes the one it replaced when that was long enough ago. Called once it is open. */
export function settleDirectory(pgdata: string, nowMs: number): void {
  const version = readStoreVersion(pgdata);
  if (version === null || version.pglite !== installedPglite()) {
    writeStoreVersion(pgdata, {
      pglite: installedPglite(),
      postgres: postgresMajor(pgdata),
      replacedAt: version?.replacedAt ?? null,
    });
  }
  const replacedMs = version?.replacedAt == null ? Infinity : Date.parse(version.replacedAt);
  if (nowMs - replacedMs > KEPT_MS) rmSync(asideOf(pgdata), { recursive: true, force: true });
}
