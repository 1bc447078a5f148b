import type { Database } from "@hayloft/engine";

export interface Readiness {
  readonly ready: boolean;
  /** Why not: `database`, `database-read-only` or `draining`; null when ready. */
  readonly reason: string | null;
}

/** What a hub's database lets it do. */
type DatabaseState = "writable" | "read-only" | "silent";

const ANSWER_WITHIN_MS = 1_500;

/**
 * Tells whether the database answers and takes writes, within 1.5 s whatever its state. A question that hangs is not asked twice: until
 * it is answered the hub is not ready.
 */
export class DatabaseProbe {
  readonly #database: Database;
  #asked: Promise<DatabaseState> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  async state(): Promise<DatabaseState> {
    this.#asked ??= this.#ask();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<DatabaseState>((resolve) => {
      timer = setTimeout(() => resolve("silent"), ANSWER_WITHIN_MS);
    });
    try {
      return await Promise.race([this.#asked, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(): Promise<DatabaseState> {
    try {
      const { rows } = await this.#database.query<{ writable: boolean }>(
        "select not current_setting('transaction_read_only')::boolean as writable",
      );
      return rows[0]?.writable === true ? "writable" : "read-only";
    } catch {
      // Any failure means the same here; who runs into it next reports it.
      return "silent";
    } finally {
      this.#asked = null;
    }
  }
}
