import type { LogHead } from "./replica-storage.ts";
import type { SessionPorts } from "./session-ports.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

export interface HeadWatchOptions {
  readonly ports: SessionPorts;
  readonly tenants: () => readonly string[];
  /** Called with the heads that have grown since they were looked at last. */
  readonly onGrown: (heads: readonly LogHead[]) => void;
}

/** Bounds how long a commit of another process, or of psql, stays unseen. */
const pollMs = 200;

/** Sees logs grow: at once when woken, and by looking every now and then for what others committed. */
export class HeadWatch {
  readonly #options: HeadWatchOptions;
  readonly #known = new Map<string, LogHead>();
  #reading: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #failing = false;
  #cancel: () => void = () => undefined;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
  }

  get known(): readonly LogHead[] {
    return [...this.#known.values()];
  }

  start(): void {
    this.wake();
    this.#schedule();
  }

  /** Looks now; when it is looking already, once more afterwards. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#reading !== null) {
      this.#again = true;
      return;
    }
    this.#reading = this.#read().finally(() => {
      this.#reading = null;
      if (!this.#again) return;
      this.#again = false;
      this.wake();
    });
  }

  /** Resolves when the last look is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#reading;
  }

  #schedule(): void {
    this.#cancel = this.#options.ports.timers.after(pollMs, () => {
      if (this.#stopped) return;
      this.wake();
      this.#schedule();
    });
  }

  async #read(): Promise<void> {
    try {
      const heads = await this.#options.ports.storage.heads(this.#options.tenants());
      if (this.#stopped) return;
      this.#failing = false;
      const grown = heads.filter((head) => head.position > (this.#known.get(head.tenant)?.position ?? -1));
      for (const head of grown) this.#known.set(head.tenant, head);
      if (grown.length > 0) this.#options.onGrown(grown);
    } catch (error) {
      if (this.#stopped) return;
      // Once until it works again: it is tried five times a second.
      if (this.#failing) return;
      this.#failing = true;
      const known = toHayloftError(error, "unavailable");
      this.#options.ports.log({ level: "warn", event: "heads-failed", peer: null, details: {}, error: known });
    }
  }
}
