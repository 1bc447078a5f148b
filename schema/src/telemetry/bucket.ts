import type { bucketSizes } from "../tables/telemetry.ts";

export type BucketSize = (typeof bucketSizes)[number];

const minuteMs = 60_000;

/** Widths in milliseconds. A day is a day of UTC. */
export const bucketWidthMs: Readonly<Record<BucketSize, number>> = {
  "1m": minuteMs,
  "5m": 5 * minuteMs,
  "1h": 60 * minuteMs,
  "1d": 24 * 60 * minuteMs,
};

/** The start of the bucket that holds the instant, in milliseconds since 1970. */
export function bucketStartMs(atMs: number, size: BucketSize): number {
  const widthMs = bucketWidthMs[size];
  return Math.floor(atMs / widthMs) * widthMs;
}
