import type { SessionLimits } from "../session/session-limits.ts";

type AdmissionLimits = Pick<
  SessionLimits,
  "unauthenticatedMax" | "unauthenticatedPerAddressMax" | "sessionsMax" | "handshakesPerSecond" | "handshakesAtOnce"
>;

/** The connections there are when another one comes. */
export interface Crowd {
  readonly sessions: number;
  /** Addresses of those that have not proven who they are; null where it is not known. */
  readonly strangers: readonly (string | null)[];
}

/** Decides which connections may begin a handshake. Whoever may not is told so at once, and comes back after a while. */
export class Admission {
  readonly #limits: AdmissionLimits;
  #tokens: number;
  #sinceMs: number | null = null;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#tokens = limits.handshakesAtOnce;
  }

  /** The limit that forbids it, or null when the connection is let in. `nowMs` is of a steady clock. */
  refusal(address: string | null, { sessions, strangers }: Crowd, nowMs: number): keyof AdmissionLimits | null {
    const limits = this.#limits;
    this.#refill(nowMs);
    if (sessions >= limits.sessionsMax) return "sessionsMax";
    if (strangers.length >= limits.unauthenticatedMax) return "unauthenticatedMax";
    const alike = address === null ? 0 : strangers.filter((other) => other === address).length;
    if (alike >= limits.unauthenticatedPerAddressMax) return "unauthenticatedPerAddressMax";
    if (this.#tokens < 1) return "handshakesPerSecond";
    this.#tokens -= 1;
    return null;
  }

  #refill(nowMs: number): void {
    const passedMs = this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#tokens = Math.min(this.#limits.handshakesAtOnce, this.#tokens + (passedMs * this.#limits.handshakesPerSecond) / 1_000);
  }
}
