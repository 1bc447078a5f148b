/** Below this a difference of two clocks is that of the network and is not corrected. */
export const SKEW_NOTED_MS = 1_000;

/** By how much our clock is ahead of the parent's, from a measured skew (the parent's clock minus ours); 0 when it is not. */
export const aheadOf = (skewMs: number): number => (skewMs <= -SKEW_NOTED_MS ? -Math.round(skewMs) : 0);
