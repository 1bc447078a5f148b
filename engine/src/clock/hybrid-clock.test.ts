import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHayloftError } from "../error/hayloft-error.ts";
import {
  CLOCK_AHEAD_MS_MAX,
  COPIES_APART,
  counterOfStamp,
  mergeClock,
  msOfStamp,
  STAMP_MAX,
  stampAheadMs,
  stampIsAcceptable,
  stampOfMs,
  startClock,
  tickClock,
  type HybridClock,
} from "./hybrid-clock.ts";

const NOW = Date.UTC(2026, 10, 23);
const times = fc.integer({ min: 0, max: 4_102_444_800_000 });

/** Ticks once per physical time and returns the stamps. */
function stampsAt(
  clock: HybridClock,
  readings: readonly number[],
): { readonly clock: HybridClock; readonly stamps: readonly bigint[] } {
  const stamps: bigint[] = [];
  let current = clock;
  for (const reading of readings) {
    const ticked = tickClock(current, reading);
    current = ticked.clock;
    stamps.push(ticked.stamp);
  }
  return { clock: current, stamps };
}

const growsStrictly = (stamps: readonly bigint[]): boolean =>
  stamps.every((stamp, index) => index === 0 || stamp > (stamps[index - 1] ?? 0n));

describe("hybrid clock", () => {
  it("F-C4 stamps grow strictly however the physical clock jumps", () => {
    fc.assert(
      fc.property(fc.array(times, { maxLength: 200 }), (readings) => growsStrictly(stampsAt(startClock(0n), readings).stamps)),
    );
  });

  it("F-C4 1,000 events in one millisecond run into the next ones and never wrap", () => {
    const { stamps } = stampsAt(
      startClock(0n),
      Array.from({ length: 1_000 }, () => NOW),
    );
    expect(growsStrictly(stamps)).toBe(true);
    expect(msOfStamp(stamps.at(-1) ?? 0n)).toBe(NOW + 3);
    expect(counterOfStamp(stamps.at(-1) ?? 0n)).toBe(1_000 - 3 * 256 - 1);
  });

  it("F-C6 copies of one node never give one stamp, whatever their clocks say and however often they hear of each other", () => {
    const copies = fc.uniqueArray(fc.integer({ min: 0, max: COPIES_APART - 1 }), { minLength: 2, maxLength: 4 });
    const events = fc.array(fc.record({ by: fc.nat(), ms: fc.integer({ min: NOW - 3, max: NOW }), hears: fc.boolean() }), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(copies, events, (numbers, list) => {
        const clocks = new Map(numbers.map((copy) => [copy, startClock(0n)]));
        const given = new Map<bigint, number>();
        let latest = 0n;
        for (const { by, ms, hears } of list) {
          const copy = numbers[by % numbers.length] ?? 0;
          const clock = clocks.get(copy) ?? startClock(0n);
          const ticked = tickClock(hears ? mergeClock(clock, latest) : clock, ms, copy);
          clocks.set(copy, ticked.clock);
          expect(given.get(ticked.stamp) ?? copy).toBe(copy);
          given.set(ticked.stamp, copy);
          expect(ticked.stamp > clock.last && (!hears || ticked.stamp > latest)).toBe(true);
          expect(msOfStamp(ticked.stamp)).toBeLessThanOrEqual(NOW + list.length);
          if (ticked.stamp > latest) latest = ticked.stamp;
        }
      }),
    );
  });

  it("F-C5 goes on above the stored high-water mark after a restart with an older clock", () => {
    fc.assert(
      fc.property(times, times, (before, after) => {
        const first = tickClock(startClock(0n), before);
        return tickClock(startClock(first.stamp), after).stamp > first.stamp;
      }),
    );
  });

  it("F-C1 a clock that is years behind still stamps above everything it has seen", () => {
    fc.assert(
      fc.property(times, times, (foreign, own) => {
        const seen = mergeClock(startClock(0n), stampOfMs(foreign));
        return tickClock(seen, own).stamp > stampOfMs(foreign);
      }),
    );
  });

  it("merging is commutative, associative and idempotent", () => {
    const stamp = fc.bigInt({ min: 0n, max: STAMP_MAX });
    fc.assert(
      fc.property(stamp, stamp, stamp, (start, a, b) => {
        const clock = startClock(start);
        expect(mergeClock(mergeClock(clock, a), b)).toEqual(mergeClock(mergeClock(clock, b), a));
        expect(mergeClock(mergeClock(clock, a), a)).toEqual(mergeClock(clock, a));
      }),
    );
  });

  it("F-C2 accepts stamps up to the limit ahead, F-C3 and none beyond it", () => {
    const at = (aheadMs: number): bigint => stampOfMs(NOW + aheadMs);
    expect(stampIsAcceptable(at(CLOCK_AHEAD_MS_MAX), NOW)).toBe(true);
    expect(stampIsAcceptable(at(CLOCK_AHEAD_MS_MAX + 1), NOW)).toBe(false);
    expect(stampIsAcceptable(at(50 * 365 * 86_400_000), NOW)).toBe(false);
    expect(stampIsAcceptable(at(-10 * 365 * 86_400_000), NOW)).toBe(true);
    expect(stampAheadMs(at(5), NOW)).toBe(5);
    expect(stampIsAcceptable(-1n, NOW)).toBe(false);
  });

  it("F-C9 the end of the range is an error, not a wrap", () => {
    expect(tickClock(startClock(STAMP_MAX - 1n), NOW, COPIES_APART - 1).stamp).toBe(STAMP_MAX);
    const limit = (error: unknown): boolean => isHayloftError(error, "limit-reached");
    expect(() => tickClock(startClock(STAMP_MAX), NOW)).toThrow(expect.toSatisfy(limit));
    expect(() => mergeClock(startClock(0n), STAMP_MAX + 1n)).toThrow(expect.toSatisfy(limit));
  });

  it("a stamp splits into its time and its counter", () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 65_535 }), (ms, counter) => {
        const stamp = stampOfMs(ms) + BigInt(counter);
        return msOfStamp(stamp) === ms && counterOfStamp(stamp) === counter;
      }),
    );
  });
});
