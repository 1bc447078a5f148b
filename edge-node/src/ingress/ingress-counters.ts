/** What became of messages since the start, and lately. */
export interface IngressCounts {
  readonly received: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly refused: number;
  /** Messages that could not be committed and were left with their sender. */
  readonly failed: number;
  readonly refusedByReason: Readonly<Record<string, number>>;
  readonly pending: number;
  /** Stored messages per second over the last minute. */
  readonly ratePerSecond: number;
  readonly lastMessageMs: number | null;
}

type Outcome = "stored" | "duplicate" | "refused" | "failed";

const RATE_SECONDS = 60;

/** Counts what the ingress does. The rate is a ring of one counter per second. */
export class IngressCounters {
  readonly #totals: Record<Outcome, number> = { stored: 0, duplicate: 0, refused: 0, failed: 0 };
  readonly #reasons = new Map<string, number>();
  readonly #ring = Array.from({ length: RATE_SECONDS }, () => 0);
  #ringSecond = 0;
  #received = 0;
  #lastMessageMs: number | null = null;

  received(nowMs: number): void {
    this.#received++;
    this.#lastMessageMs = nowMs;
  }

  count(outcome: Outcome, reason: string | null, nowMs: number): void {
    this.#totals[outcome]++;
    if (reason !== null) this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    if (outcome !== "stored") return;
    this.#advance(nowMs);
    const slot = this.#ringSecond % RATE_SECONDS;
    this.#ring[slot] = (this.#ring[slot] ?? 0) + 1;
  }

  snapshot(pending: number, nowMs: number): IngressCounts {
    this.#advance(nowMs);
    return {
      received: this.#received,
      ...this.#totals,
      refusedByReason: Object.fromEntries(this.#reasons),
      pending,
      ratePerSecond: this.#ring.reduce((sum, count) => sum + count, 0) / RATE_SECONDS,
      lastMessageMs: this.#lastMessageMs,
    };
  }

  /** Empties the slots of the seconds that have passed since the last count. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const passed = Math.min(Math.max(second - this.#ringSecond, 0), RATE_SECONDS);
    for (let step = 1; step <= passed; step++) this.#ring[(second - passed + step) % RATE_SECONDS] = 0;
    this.#ringSecond = Math.max(this.#ringSecond, second);
  }
}
