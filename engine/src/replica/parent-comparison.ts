import type { TableComparison } from "../digest/compare-with-parent.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Grant } from "./replica-storage.ts";
import type { ParentQuestions } from "./parent-questions.ts";
import type { SessionPorts } from "./session-ports.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

/** How often a replica compares its rows with its parent's. */
export interface ComparisonPace {
  /** From the end of one comparison to the beginning of the next; 0: only when asked. Default 6 hours. */
  readonly intervalMs: number;
  /** The part of the time that it may take, above 0 and up to 1. Default 0.05. */
  readonly share: number;
}

export const defaultComparisonPace: ComparisonPace = { intervalMs: 6 * 3_600_000, share: 0.05 };

/** What one comparison of all tables has shown. */
export interface Comparison {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly parent: string;
  readonly tenant: string;
  readonly grant: Grant;
  readonly tables: readonly TableComparison[];
}

/** What is told of comparisons since the start. */
export interface ComparisonCounts {
  readonly lastAtMs: number | null;
  /** Of the last comparison: rows that differ still. */
  readonly left: number;
  readonly healedHere: number;
  readonly healedAbove: number;
  readonly failures: number;
}

export interface ParentComparisonOptions {
  readonly ports: SessionPorts;
  readonly pace: ComparisonPace;
  readonly parent: string;
  readonly tenant: string;
  readonly questions: ParentQuestions;
  /** The grant of the session that is open; null while there is none, or rows are still coming in. */
  readonly grant: () => Grant | null;
}

/** Soon again after a comparison that could not be made or that left something. */
const AGAIN_MS = 60_000;

/** Compares a replica's rows with its parent's, every now and then and when asked; one comparison at a time. */
export class ParentComparison {
  readonly #options: ParentComparisonOptions;
  #counts: ComparisonCounts = { lastAtMs: null, left: 0, healedHere: 0, healedAbove: 0, failures: 0 };
  #running: Promise<Comparison> | null = null;
  #cancel: () => void = () => undefined;
  /** Ends the rest that is being taken. */
  #wake: () => void = () => undefined;
  #stopped = false;

  constructor(options: ParentComparisonOptions) {
    this.#options = options;
  }

  get counts(): ComparisonCounts {
    return this.#counts;
  }

  /** The first one comes after a random part of the interval, so that the children of one parent do not begin together. */
  start(): void {
    const { ports, pace } = this.#options;
    if (ports.compareWithParent !== undefined && pace.intervalMs > 0) this.#schedule(ports.random() * pace.intervalMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    this.#wake();
    await this.#running?.catch(() => undefined);
  }

  /** Compares now, after the comparison that is under way; without pauses unless told otherwise. Throws `unavailable` without a session. */
  async run(share = 1, tables: readonly string[] | null = null): Promise<Comparison> {
    while (this.#running !== null) await this.#running.catch(() => undefined);
    const running = this.#compare(share, tables).finally(() => {
      this.#running = null;
    });
    this.#running = running;
    return await running;
  }

  #schedule(afterMs: number): void {
    const { ports, pace } = this.#options;
    if (this.#stopped) return;
    this.#cancel = ports.timers.after(afterMs, () => {
      if (this.#options.grant() === null) {
        this.#schedule(Math.min(AGAIN_MS, pace.intervalMs));
        return;
      }
      this.run(pace.share)
        .then(({ tables }) =>
          this.#schedule(tables.some(({ left }) => left > 0) ? Math.min(AGAIN_MS, pace.intervalMs) : pace.intervalMs),
        )
        .catch((error: unknown) => {
          this.#failed(error);
          this.#schedule(Math.min(AGAIN_MS, pace.intervalMs));
        });
    });
  }

  #failed(error: unknown): void {
    this.#counts = { ...this.#counts, failures: this.#counts.failures + 1 };
    const known = toHayloftError(error, "unavailable");
    this.#options.ports.log({ level: "info", event: "comparison-failed", peer: this.#options.parent, details: {}, error: known });
  }

  async #compare(share: number, only: readonly string[] | null): Promise<Comparison> {
    const { ports, parent, tenant, questions } = this.#options;
    const grant = this.#options.grant();
    if (ports.compareWithParent === undefined) throw new HayloftError("unavailable", { reason: "no-comparison" });
    if (grant === null || this.#stopped) throw new HayloftError("unavailable", { reason: "not-connected" });
    const startedAt = new Date(ports.timers.moment().nowMs);
    const asked = { peer: parent, grant, parent: questions, pause: this.#pausing(share) };
    const tables = await ports.compareWithParent(only === null ? asked : { ...asked, tables: only });
    const finishedAt = new Date(ports.timers.moment().nowMs);
    this.#count(tables, finishedAt);
    return { startedAt, finishedAt, parent, tenant, grant, tables };
  }

  /** Rests after each step for as long as the share asks for. */
  #pausing(share: number): () => Promise<void> {
    const { timers } = this.#options.ports;
    let sinceMs = timers.moment().steadyMs;
    return async () => {
      if (this.#stopped) throw new HayloftError("unavailable", { reason: "stopped" });
      const workedMs = timers.moment().steadyMs - sinceMs;
      if (share < 1) await this.#rest(workedMs * (1 / share - 1));
      sinceMs = timers.moment().steadyMs;
    };
  }

  async #rest(restMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.ports.timers.after(restMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #count(tables: readonly TableComparison[], at: Date): void {
    const sum = (of: (table: TableComparison) => number): number => tables.reduce((total, table) => total + of(table), 0);
    const [healedHere, healedAbove, left] = [sum((of) => of.healedHere), sum((of) => of.healedAbove), sum((of) => of.left)];
    const before = this.#counts;
    this.#counts = {
      ...before,
      lastAtMs: at.getTime(),
      left,
      healedHere: before.healedHere + healedHere,
      healedAbove: before.healedAbove + healedAbove,
    };
    if (healedHere + healedAbove + left === 0) return;
    const { ports, parent, tenant } = this.#options;
    ports.log({
      level: "warn",
      event: "rows-repaired",
      peer: parent,
      details: { tenant, healedHere, healedAbove, left },
      error: null,
    });
  }
}
