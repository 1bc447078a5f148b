import type { Clock } from "@hayloft/engine";

/** A piece of housekeeping. `run` does a bounded amount of work and tells whether more is waiting. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** How many times as long as it ran it rests; for work that does not take the database's time. */
  readonly restFactor?: number;
  run(nowMs: number): Promise<{ readonly done: number; readonly more: boolean }>;
}

export interface JobState {
  readonly name: string;
  readonly runs: number;
  readonly failures: number;
  readonly done: number;
  readonly lastRunMs: number | null;
  readonly lastError: string | null;
}

interface Scheduled {
  readonly job: Job;
  dueMs: number;
  state: JobState;
}

const RETRY_MS = 5000;
/**
 * A job rests at least so many times as long as it ran, so that a backlog of housekeeping never fills the database's time: a
 * fifth of it, and a twenty-fifth while messages wait for the same database.
 */
const REST_FACTOR = 4;
const REST_FACTOR_UNDER_LOAD = 24;

/**
 * Runs jobs one at a time by the given clock, so that they share the database politely with the ingress. A job that has
 * more to do is due again soon, after the others had their turn; one that failed is tried again after 5 s, for ever.
 */
export class JobRunner {
  readonly #clock: Clock;
  readonly #jobs: readonly Scheduled[];
  readonly #onError: (job: string, error: unknown) => void;
  readonly #underLoad: () => boolean;
  #timer: NodeJS.Timeout | null = null;
  #turn: Promise<void> = Promise.resolve();
  #busy = false;

  /** `underLoad` tells whether something more urgent waits for the database. */
  constructor(
    clock: Clock,
    jobs: readonly Job[],
    onError: (job: string, error: unknown) => void,
    underLoad: () => boolean = () => false,
  ) {
    this.#clock = clock;
    this.#onError = onError;
    this.#underLoad = underLoad;
    this.#jobs = jobs.map((job) => ({
      job,
      dueMs: 0,
      state: { name: job.name, runs: 0, failures: 0, done: 0, lastRunMs: null, lastError: null },
    }));
  }

  get states(): readonly JobState[] {
    return this.#jobs.map((scheduled) => scheduled.state);
  }

  /** Looks for due jobs every `pollMs`. */
  start(pollMs: number): void {
    this.#timer ??= setInterval(() => {
      if (!this.#busy) void this.runDue();
    }, pollMs);
  }

  /** Runs each job that is due once, in order; of the named ones when there are names. */
  runDue(...names: readonly string[]): Promise<void> {
    this.#busy = true;
    this.#turn = this.#turn
      .then(async () => {
        for (const scheduled of this.#jobs) {
          const isMeant = names.length === 0 || names.includes(scheduled.job.name);
          if (isMeant && scheduled.dueMs <= this.#clock.nowMs()) await this.#run(scheduled);
        }
      })
      .finally(() => {
        this.#busy = false;
      });
    return this.#turn;
  }

  /** Starts no more jobs, and resolves when the running one has ended. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const scheduled of this.#jobs) scheduled.dueMs = Number.POSITIVE_INFINITY;
    await this.#turn;
  }

  async #run(scheduled: Scheduled): Promise<void> {
    const { job, state } = scheduled;
    const nowMs = this.#clock.nowMs();
    try {
      const startedMs = performance.now();
      const { done, more } = await job.run(nowMs);
      const restFactor = job.restFactor ?? (this.#underLoad() ? REST_FACTOR_UNDER_LOAD : REST_FACTOR);
      const restMs = (performance.now() - startedMs) * restFactor;
      if (scheduled.dueMs !== Number.POSITIVE_INFINITY)
        scheduled.dueMs = nowMs + Math.max(more ? 0 : job.everyMs, Math.round(restMs));
      scheduled.state = { ...state, runs: state.runs + 1, done: state.done + done, lastRunMs: nowMs, lastError: null };
    } catch (error) {
      if (scheduled.dueMs !== Number.POSITIVE_INFINITY) scheduled.dueMs = nowMs + Math.min(RETRY_MS, job.everyMs);
      const lastError = error instanceof Error ? error.message : "unknown";
      scheduled.state = { ...state, runs: state.runs + 1, failures: state.failures + 1, lastRunMs: nowMs, lastError };
      this.#onError(job.name, error);
    }
  }
}
