import type { Database } from "@hayloft/engine";

export interface Readiness {
  readonly ready: boolean;
  /** Why not: `database` or `draining`; null when ready. */
  readonly reason: string | null;
}

const ANSWER_WITHIN_MS = 1_500;

/**
 * Tells whether the database answers, within 1.5 s whatever its state. A question that hangs is not asked twice: until it is
 * answered the hub is not ready.
 */
export class DatabaseProbe {
  readonly #database: Database;
  #asked: Promise<boolean> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  async answers(): Promise<boolean> {
    this.#asked ??= this.#ask();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ANSWER_WITHIN_MS);
    });
    try {
      return await Promise.race([this.#asked, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(): Promise<boolean> {
    try {
      await this.#database.query("select 1");
      return true;
    } catch {
      // Any failure means the same here; who runs into it next reports it.
      return false;
    } finally {
      this.#asked = null;
    }
  }
}
