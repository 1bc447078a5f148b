/** How many addresses are remembered; the longest unseen is forgotten first. */
const ADDRESSES_MAX = 10_000;

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/**
 * A token bucket per address: `perMinute` attempts at once, then one more every 60/`perMinute` seconds. Bounded in memory;
 * the clock comes with each call.
 */
export class RateLimiter {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** 0 when the attempt is allowed; else the milliseconds after which the next one will be. */
  take(address: string, nowMs: number): number {
    const bucket = this.#buckets.get(address) ?? { tokens: this.#perMinute, atMs: nowMs };
    const refill = (Math.max(0, nowMs - bucket.atMs) * this.#perMinute) / 60_000;
    const tokens = Math.min(this.#perMinute, bucket.tokens + refill);
    const allowed = tokens >= 1;
    // Re-inserted at the end, so that the first key is the one unseen for longest.
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > ADDRESSES_MAX) this.#forgetOldest();
    return allowed ? 0 : Math.ceil(((1 - tokens) * 60_000) / this.#perMinute);
  }

  #forgetOldest(): void {
    for (const address of this.#buckets.keys()) {
      this.#buckets.delete(address);
      return;
    }
  }
}
