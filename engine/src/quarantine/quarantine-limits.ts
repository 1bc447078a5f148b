/** What may be held for others, per tenant. Above it the receiver takes no commit that it would have to hold. */
export interface QuarantineLimits {
  readonly commitsMax: number;
  /** Bytes of the commits as they are kept. */
  readonly bytesMax: number;
}

export const defaultQuarantineLimits: QuarantineLimits = { commitsMax: 10_000, bytesMax: 64 * 1024 * 1024 };
