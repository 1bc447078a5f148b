import { platform } from "#platform";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { HayloftError, isHayloftError } from "../../error/hayloft-error.ts";
import type { DatabaseRebuild } from "../../migrate/rebuild-database.ts";
import { ConnectedDatabase } from "../connected-database.ts";
import type { Database } from "../database.ts";
import { keepControl } from "./kept-control.ts";
import { condemnStore, refuseDamaged } from "./damage-mark.ts";
import { lockDirectory } from "./directory-lock.ts";
import { findDamage } from "./find-damage.ts";
import { PgliteConnectionSource } from "./pglite-connection.ts";
import { needsUpgrade, resumeSwitch, settleDirectory, upgradeDirectory, type UpgradeStep } from "./upgrade-directory.ts";
import { watchPages } from "./watch-pages.ts";
import { WorkerEngine } from "./worker-engine.ts";

export interface PgliteOptions {
  /** The directory of the store, made when it does not exist, on a local disk; null keeps the database in memory. */
  readonly dataDir: string | null;
  /** False leaves out fsync: faster, survives a killed process but not a power cut. Default true for a directory. */
  readonly durable?: boolean;
  /** A prepared image (`.tar.gz` of a data directory) for a new store; default is a cached one, or `initdb`. */
  readonly image?: string;
  /**
   * How the tables are made anew when the directory is of another version of PGlite. Without it such a directory is refused.
   */
  readonly rebuild?: DatabaseRebuild;
  /** Called as the move to another version of PGlite goes on. */
  readonly onUpgrade?: (step: UpgradeStep) => void;
  /** Called when the opening is in the hands of its thread, for work that this one has to do in any case. */
  readonly whileOpening?: () => void;
  /** How often all pages on the disk are read and checked while the store is open, beginning with the opening; default: never. */
  readonly checkEveryMs?: number;
  /** Called once when the open store is lost: after a failed fsync, an abort of PGlite, damage on the disk, or the end of its thread. */
  readonly onFatal?: (error: HayloftError) => void;
}

/**
 * Opens a PGlite database in a worker thread of its own. The directory holds PGlite's files in `pgdata` and beside it
 * the lock of the process that has it open. The durability is D2, D1 with `durable: false`, D0 in memory.
 *
 * Throws `store-locked` when another process, or this one, has the directory open; `store-unsafe` when fsync does not
 * happen; `store-full` when the disk has no room; `store-version` when another PGlite made the directory and it cannot be moved;
 * `store-damaged` when its files are not as they were written, now or at an earlier opening; `store-failed` otherwise. A directory of an earlier PGlite is moved first, see `upgradeDirectory`. Once lost, the database answers every call with
 * `store-failed`, `store-full` or `store-damaged`; a statement that was running then may have taken effect. Close it and open it again.
 *
 * All statements share PGlite's one connection and run one after the other, each commit with an fsync of its own: write
 * many rows in one transaction rather than in many at once.
 */
export async function openPgliteDatabase(options: PgliteOptions): Promise<Database> {
  const { dataDir } = options;
  if (dataDir !== null) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = dataDir === null ? null : await lockDirectory(dataDir);
  const pgdata = dataDir === null ? null : path.resolve(dataDir, "pgdata");
  try {
    if (dataDir !== null) refuseDamaged(dataDir);
    if (pgdata !== null) await bringUpToDate(pgdata, options);
    const { engine, durability } = await openWhole(pgdata, options);
    if (pgdata !== null) settleDirectory(pgdata, Date.now());
    const watch = pgdata === null || options.checkEveryMs == null ? null : watchPages(pgdata, options.checkEveryMs, engine);
    const release = async (): Promise<void> => {
      watch?.abort();
      try {
        await engine.close();
      } finally {
        if (pgdata !== null) keepControl(pgdata);
        await lock?.release();
      }
    };
    return pgliteDatabase(engine, durability, release);
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

/** Opens it. What cannot be opened is looked at: where its files are not as they were written, `store-damaged` says so. */
async function openWhole(pgdata: string | null, options: PgliteOptions): ReturnType<typeof openEngine> {
  const isNew = pgdata === null || !existsSync(pgdata);
  try {
    const opened = await openEngine(pgdata, options);
    if (pgdata !== null) keepControl(pgdata);
    return opened;
  } catch (error) {
    if (isNew || !isHayloftError(error, "store-failed")) throw error;
    const found = await findDamage(pgdata);
    throw found === null ? error : condemnStore(path.dirname(pgdata), { ...found });
  }
}

const openEngine = async (pgdata: string | null, options: PgliteOptions) =>
  await WorkerEngine.open({
    dataDir: pgdata,
    durable: options.durable ?? true,
    image: options.image ?? null,
    onFatal: options.onFatal ?? (() => undefined),
    whileOpening: options.whileOpening,
  });

/** Finishes or makes a move to the installed PGlite. */
async function bringUpToDate(pgdata: string, options: PgliteOptions): Promise<void> {
  resumeSwitch(pgdata);
  if (!needsUpgrade(pgdata)) return;
  const { rebuild, onUpgrade } = options;
  if (rebuild === undefined) throw new HayloftError("store-version", { reason: "nobody says how its tables are made" });
  const open = async (directory: string): Promise<Database> => {
    const { engine, durability } = await openEngine(directory, { ...options, onFatal: () => undefined });
    return pgliteDatabase(engine, durability, async () => await engine.close());
  };
  await upgradeDirectory(pgdata, { open, rebuild, ...(onUpgrade === undefined ? {} : { onStep: onUpgrade }) });
}

/** The `Database` over a running engine; `release` is called by its `close`. */
export function pgliteDatabase(engine: WorkerEngine, durability: Database["durability"], release: () => Promise<void>): Database {
  return new ConnectedDatabase({
    dialect: "pglite",
    durability,
    source: new PgliteConnectionSource(engine, release),
    guard: platform.nestingGuard(),
  });
}
