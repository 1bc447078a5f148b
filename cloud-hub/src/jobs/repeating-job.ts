import type { Log } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";

/**
 * Runs `work` now and then every `intervalMs` after it has ended, never twice at once. A failure is logged as `job-failed` and
 * the next run comes as planned.
 */
export class RepeatingJob {
  readonly #name: string;
  readonly #work: () => Promise<void>;
  readonly #intervalMs: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(name: string, intervalMs: number, log: Log, work: () => Promise<void>) {
    this.#name = name;
    this.#intervalMs = intervalMs;
    this.#log = log;
    this.#work = work;
    this.#running = this.#run();
  }

  /** Resolves when a run under way has ended; none follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#work();
    } catch (error) {
      const known = error instanceof HayloftError ? error : new HayloftError("internal-error", { job: this.#name }, error);
      this.#log({ level: "warn", event: "job-failed", peer: null, details: { job: this.#name }, error: known });
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, this.#intervalMs);
    this.#timer.unref();
  }
}
