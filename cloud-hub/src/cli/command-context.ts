import type { Database } from "@hayloft/engine";
import { systemClock } from "@hayloft/engine";
import type { LoadedHubSettings } from "../config/load-hub-settings.ts";
import { openHubDatabase } from "../database/open-hub-database.ts";
import { contactLimits } from "../watch/contact-limits.ts";
import type { NodeWatch } from "../admin/nodes.ts";
import { isPrepared, prepareDatabase } from "../hub/prepare-database.ts";
import { recordText, tableText } from "./print-rows.ts";

/** What commands share: settings, the database, and how results are shown. */
export class CommandContext {
  readonly loaded: LoadedHubSettings;
  readonly #write: (text: string) => void;
  json = false;

  constructor(loaded: LoadedHubSettings, write: (text: string) => void) {
    this.loaded = loaded;
    this.#write = write;
  }

  nowMs(): number {
    return systemClock.nowMs();
  }

  /**
   * Runs `work` on the hub's database, whether or not the service runs. A database without the hub's schema gets it first, so
   * that the very first command works.
   */
  async withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
    const opened = await openHubDatabase(this.loaded.settings, { attach: true, applicationName: "hayloft-hub command" });
    try {
      if (!(await isPrepared(opened.database))) await prepareDatabase(opened.database, this.loaded.settings.identity_file);
      return await work(opened.database);
    } finally {
      await opened.close();
    }
  }

  /** How commands see the nodes: from outside the service, so without its sessions. */
  watch(): NodeWatch {
    return { nowMs: this.nowMs(), limits: contactLimits(this.loaded.settings), connected: new Set() };
  }

  rows(rows: readonly object[], columns: readonly string[]): void {
    this.#write(this.json ? `${JSON.stringify(rows, null, 2)}\n` : tableText(rows, columns));
  }

  record(row: object): void {
    this.#write(this.json ? `${JSON.stringify(row, null, 2)}\n` : recordText(row));
  }

  /** As it is, also with --json. */
  text(text: string): void {
    this.#write(text);
  }

  /** For people only: nothing with --json. */
  note(text: string): void {
    if (!this.json) this.#write(`${text}\n`);
  }
}
