import type { Compilable, Kysely } from "kysely";
import type { Log } from "./log-event.ts";
import type { Timers } from "./session-ports.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

interface LiveQuery {
  readonly run: () => Promise<void>;
  running: boolean;
  again: boolean;
  stopped: boolean;
}

/** Under steady writing a query runs at most this often. */
const pauseMs = 25;

/** Queries that run again after commits and call back when their rows have changed. */
export class LiveQueries<Rows> {
  readonly #db: Kysely<Rows>;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #queries = new Set<LiveQuery>();

  constructor(db: Kysely<Rows>, timers: Timers, log: Log) {
    this.#db = db;
    this.#timers = timers;
    this.#log = log;
  }

  add<Row>(query: (db: Kysely<Rows>) => Compilable<Row>, onRows: (rows: readonly Row[]) => void): () => void {
    let shown: string | null = null;
    const live: LiveQuery = {
      running: false,
      again: false,
      stopped: false,
      run: async () => {
        const { rows } = await this.#db.executeQuery<Row>(query(this.#db).compile());
        const text = JSON.stringify(rows, (_name, value: unknown) => (typeof value === "bigint" ? String(value) : value));
        if (live.stopped || text === shown) return;
        shown = text;
        onRows(rows);
      },
    };
    this.#queries.add(live);
    this.#refresh(live);
    return () => {
      live.stopped = true;
      this.#queries.delete(live);
    };
  }

  /** Something was committed. */
  changed(): void {
    for (const live of this.#queries) this.#refresh(live);
  }

  stop(): void {
    for (const live of this.#queries) live.stopped = true;
    this.#queries.clear();
  }

  #refresh(live: LiveQuery): void {
    if (live.stopped) return;
    if (live.running) {
      live.again = true;
      return;
    }
    live.running = true;
    live.again = false;
    const done = (): void => {
      live.running = false;
      if (live.again) this.#refresh(live);
    };
    live
      .run()
      .catch((error: unknown) => {
        if (live.stopped) return;
        this.#log({
          level: "warn",
          event: "live-query-failed",
          peer: null,
          details: {},
          error: toHayloftError(error, "unavailable"),
        });
      })
      .finally(() => this.#timers.after(pauseMs, done));
  }
}
