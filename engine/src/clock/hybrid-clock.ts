import { HayloftError } from "../error/hayloft-error.ts";

/**
 * A hybrid logical clock (Kulkarni et al., UB TR 2014-04). A stamp is milliseconds since 1970 (UTC) × 65,536 + counter in one
 * signed 63-bit integer. Pure: the physical time is an input. The caller stores `last` with what it stamped, so that a
 * clock that went back while the node was off cannot make it lose against its own past.
 */
export interface HybridClock {
  /** The greatest stamp given or seen. */
  readonly last: bigint;
}

export const STAMP_COUNTER_BITS = 16n;
/** The greatest stamp: 2^63 - 1, in the year 6429. */
export const STAMP_MAX = (1n << 63n) - 1n;
/** How far ahead of the receiver a foreign stamp may be, in milliseconds. */
export const CLOCK_AHEAD_MS_MAX = 60_000;

/** The smallest stamp of a physical time. Times before 1970 give 0. */
export const stampOfMs = (ms: number): bigint => (ms <= 0 ? 0n : BigInt(Math.floor(ms)) << STAMP_COUNTER_BITS);

/**
 * Copies of one node have one node id, so their stamps must differ. The upper half of the counter says which copy gave a stamp, 0 for
 * one that does not know of others: no copy ever gives a stamp of another one's part.
 */
export const COPY_COUNTER_BITS = 8n;
export const COPIES_APART = 1 << Number(STAMP_COUNTER_BITS - COPY_COUNTER_BITS);

/** The physical part of a stamp, in milliseconds since 1970. */
export const msOfStamp = (stamp: bigint): number => Number(stamp >> STAMP_COUNTER_BITS);

/** The counter part of a stamp. */
export const counterOfStamp = (stamp: bigint): number => Number(stamp & ((1n << STAMP_COUNTER_BITS) - 1n));

/** A clock that goes on from the stored high-water mark. */
export const startClock = (highWater: bigint): HybridClock => ({ last: highWater });

const checked = (stamp: bigint): bigint => {
  if (stamp < 0n || stamp > STAMP_MAX) throw new HayloftError("limit-reached", { limit: "stamp" });
  return stamp;
};

/**
 * The stamp of a local event in the part of the counter that is `copy`'s, greater than every stamp given or seen before. More than 256
 * events in one millisecond run into the next one; nothing wraps. Throws `limit-reached` at the end of the range.
 */
export function tickClock(clock: HybridClock, nowMs: number, copy = 0): { readonly clock: HybridClock; readonly stamp: bigint } {
  const first = BigInt(copy) << COPY_COUNTER_BITS;
  const now = stampOfMs(nowMs) + first;
  const next = clock.last + 1n;
  const place = BigInt.asUintN(Number(STAMP_COUNTER_BITS), next - first);
  const own = place < 1n << COPY_COUNTER_BITS ? next : next - place + (1n << STAMP_COUNTER_BITS);
  const stamp = checked(now > own ? now : own);
  return { clock: { last: stamp }, stamp };
}

/** The clock after a foreign stamp was seen: later local events get greater stamps than it. */
export function mergeClock(clock: HybridClock, foreign: bigint): HybridClock {
  const seen = checked(foreign);
  return seen > clock.last ? { last: seen } : clock;
}

/** How far a stamp is ahead of the physical time, in milliseconds; 0 when it is not. */
export const stampAheadMs = (stamp: bigint, nowMs: number): number => Math.max(0, msOfStamp(stamp) - Math.floor(nowMs));

/** True when a foreign stamp may be merged: it is in range and at most `limitMs` ahead of the physical time. */
export const stampIsAcceptable = (stamp: bigint, nowMs: number, limitMs = CLOCK_AHEAD_MS_MAX): boolean =>
  stamp >= 0n && stamp <= STAMP_MAX && stampAheadMs(stamp, nowMs) <= limitMs;
