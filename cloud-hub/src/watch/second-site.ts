import type { Log, Replica } from "@hayloft/engine";
import { readStoredElsewhere, type SecondSite } from "@hayloft/engine/postgres";
import type { FarmRows } from "@hayloft/schema";

/** Watches how far the database's log is at another site, and tells the nodes what of theirs is safe there. */
export class SecondSiteWatch {
  readonly #replica: Replica<FarmRows>;
  readonly #log: Log;
  #silent = false;
  /** Null while the second site does not say how far it is. */
  behindBytes: number | null = null;

  constructor(replica: Replica<FarmRows>, log: Log) {
    this.#replica = replica;
    this.#log = log;
  }

  async look(site: SecondSite): Promise<void> {
    const stored = await readStoredElsewhere(this.#replica.database, site);
    this.behindBytes = stored?.behindBytes ?? null;
    this.#note(site, stored === null);
    if (stored !== null) await this.#replica.storedElsewhere(stored.wal);
  }

  /** Logs once when it falls silent, and once when it speaks again. */
  #note(site: SecondSite, silent: boolean): void {
    if (silent === this.#silent) return;
    this.#silent = silent;
    const todo =
      "Check the standby or the archive, and that the hub's role has pg_read_all_stats. Nodes keep what is not safe meanwhile.";
    if (silent) this.#log({ level: "warn", event: "second-site-silent", peer: null, details: { site, todo }, error: null });
    else this.#log({ level: "info", event: "second-site-heard", peer: null, details: { site }, error: null });
  }
}
