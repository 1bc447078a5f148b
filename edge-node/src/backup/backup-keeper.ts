import type { Clock, Database } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import { stat } from "node:fs/promises";
import type { EdgeLog } from "../daemon/edge-log.ts";
import { errorFields } from "../daemon/edge-log.ts";
import type { Job } from "../jobs/job-runner.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { listBackups, pruneBackups, removeDrafts } from "./backup-files.ts";
import { type BackupKey, readBackupKey } from "./backup-key.ts";
import { type MadeBackup, makeBackup } from "./make-backup.ts";

export interface BackupKeeperOptions {
  readonly config: EdgeConfig;
  readonly database: Database;
  readonly nodeId: string;
  readonly tenant: string;
  readonly clock: Clock;
  readonly log: EdgeLog;
  /** Age of the oldest commit that the hub does not have; 0 when it has all. */
  readonly unsentAgeMs: () => Promise<number>;
}

export interface BackupFigures {
  /** Whether backups are made by themselves. */
  readonly scheduled: boolean;
  readonly running: boolean;
  /** When the last whole backup was begun; null when there is none. */
  readonly lastGoodMs: number | null;
  readonly lastFile: string | null;
  readonly lastBytes: number | null;
  readonly failures: number;
  readonly lastError: string | null;
}

const MINUTE_MS = 60_000;
/** A full disk does not become empty in seconds. */
const RETRY_MS = MINUTE_MS;
const CHECK_MS = 5000;

/** Makes backups of the running node, on request and by the schedule, one at a time, and knows the last good one. */
export class BackupKeeper {
  readonly #options: BackupKeeperOptions;
  readonly #key: BackupKey | null;
  #running = false;
  #last: { readonly atMs: number; readonly file: string; readonly sizeBytes: number } | null = null;
  #failures = 0;
  #lastError: string | null = null;
  #failedMs: number | null = null;

  private constructor(options: BackupKeeperOptions, key: BackupKey | null) {
    this.#options = options;
    this.#key = key;
  }

  /** Reads the key and finds what earlier runs made. Throws `config-invalid` for a key file that is none. */
  static async open(options: BackupKeeperOptions): Promise<BackupKeeper> {
    const { config, nodeId } = options;
    const [directory, keyFile] = [config["backup.directory"], config["backup.key_file"]];
    const key = keyFile === null ? null : await readBackupKey("backup.key_file", keyFile);
    const keeper = new BackupKeeper(options, key);
    const [newest] = directory === null ? [] : await listBackups(directory, nodeId).catch(() => []);
    if (newest !== undefined) {
      const facts = await stat(newest.file).catch(() => null);
      keeper.#last = { ...newest, sizeBytes: facts?.size ?? 0 };
    }
    return keeper;
  }

  get figures(): BackupFigures {
    return {
      scheduled: this.#options.config["backup.directory"] !== null,
      running: this.#running,
      lastGoodMs: this.#last?.atMs ?? null,
      lastFile: this.#last?.file ?? null,
      lastBytes: this.#last?.sizeBytes ?? null,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  /** What is wrong with the backups, for people; null when all is well, or none are made by themselves. */
  problem(nowMs: number): string | null {
    const { config } = this.#options;
    if (config["backup.directory"] === null || (this.#lastError === null && this.#failedMs === null)) return null;
    const ageMs = this.#last === null ? null : nowMs - this.#last.atMs;
    const age = ageMs === null ? "there is no backup yet" : `the last good backup is ${Math.round(ageMs / MINUTE_MS)} min old`;
    return `${age}: ${this.#lastError ?? "failed"}`;
  }

  jobs(): readonly Job[] {
    if (this.#options.config["backup.directory"] === null) return [];
    return [{ name: "backup", everyMs: CHECK_MS, restFactor: 0, run: async (nowMs) => await this.#runDue(nowMs) }];
  }

  /**
   * Makes a backup now and removes those beyond the number that is kept. Throws `config-invalid` when no directory is set,
   * `backup-busy`, and what `makeBackup` throws; then the earlier ones are as they were.
   */
  async make(digests: boolean): Promise<MadeBackup> {
    const { config, nodeId, tenant, database, clock, log } = this.#options;
    const directory = config["backup.directory"];
    if (directory === null || this.#key === null)
      throw new HayloftError("config-invalid", { setting: "backup.directory", problem: "is not set at the running daemon" });
    if (this.#running) throw new HayloftError("backup-busy");
    this.#running = true;
    const lastGoodAgeMs = this.#last === null ? null : clock.nowMs() - this.#last.atMs;
    try {
      await removeDrafts(directory, nodeId);
      const made = await makeBackup({
        database,
        dataDir: config.data_dir,
        nodeId,
        tenant,
        directory,
        recipients: this.#key.recipients,
        media: config["backup.media"],
        digests,
        nowMs: () => clock.nowMs(),
      });
      this.#last = { atMs: made.manifest.startedMs, file: made.file, sizeBytes: made.sizeBytes };
      this.#lastError = null;
      this.#failedMs = null;
      const removed = await pruneBackups(directory, nodeId, config["backup.keep"]);
      const { sizeBytes, tookMs, heldMs, file } = made;
      log.write("info", "backup-made", { file, sizeBytes, tookMs, heldMs, lastGoodAgeMs, removed });
      return made;
    } catch (error) {
      this.#failures += 1;
      this.#failedMs = clock.nowMs();
      this.#lastError = error instanceof HayloftError ? error.code : "failed";
      log.write("error", "backup-failed", { lastGoodAgeMs, ...errorFields(error) });
      throw error;
    } finally {
      this.#running = false;
    }
  }

  async #runDue(nowMs: number): Promise<{ readonly done: number; readonly more: boolean }> {
    const waits = this.#running || (this.#failedMs !== null && Math.abs(nowMs - this.#failedMs) < RETRY_MS);
    if (waits || !(await this.#isDue(nowMs))) return { done: 0, more: false };
    await this.make(this.#options.config["backup.digests"]);
    return { done: 1, more: false };
  }

  async #isDue(nowMs: number): Promise<boolean> {
    const { config, unsentAgeMs } = this.#options;
    const everyMs = config["backup.every_minutes"] * MINUTE_MS;
    const unsentMs = config["backup.unsent_minutes"] * MINUTE_MS;
    const ageMs = this.#last === null ? null : nowMs - this.#last.atMs;
    // The hub is asked about only when the answer counts.
    const asked = ageMs !== null && ageMs >= unsentMs && ageMs < everyMs;
    return isBackupDue({ ageMs, everyMs, unsentMs, oldestUnsentMs: asked ? await unsentAgeMs() : 0 });
  }
}

/**
 * True when a backup is to be made: there is none, the last is as old as `everyMs`, or as old as `unsentMs` while something waits for the hub for
 * as long. One from the future was made while the clock was wrong.
 */
export function isBackupDue(state: {
  readonly ageMs: number | null;
  readonly everyMs: number;
  readonly unsentMs: number;
  readonly oldestUnsentMs: number;
}): boolean {
  const { ageMs, everyMs, unsentMs, oldestUnsentMs } = state;
  if (ageMs === null || ageMs < -MINUTE_MS || ageMs >= everyMs) return true;
  return ageMs >= unsentMs && oldestUnsentMs >= unsentMs;
}
