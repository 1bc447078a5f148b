import { describe, expect, it } from "vitest";
import { seededRandom } from "./random.ts";
import { ammonia, birdWeightKg, humidity, Silo, temperature } from "./signals.ts";

const DAY_MS = 86_400_000;

describe("simulated signals", () => {
  it("stay in the ranges that sensors in barns show", () => {
    const random = seededRandom(7);
    for (let index = 0; index < 5_000; index += 1) {
      const atMs = (index * DAY_MS) / 500;
      expect(temperature.valueAt(atMs, random)).toBeGreaterThan(15);
      expect(temperature.valueAt(atMs, random)).toBeLessThan(35);
      expect(humidity.valueAt(atMs, random)).toBeGreaterThanOrEqual(0);
      expect(humidity.valueAt(atMs, random)).toBeLessThanOrEqual(100);
      expect(ammonia.valueAt(atMs, random)).toBeGreaterThanOrEqual(7);
      expect(ammonia.valueAt(atMs, random)).toBeLessThanOrEqual(13);
    }
  });

  it("birds weigh 40 g on their first day and 2.5 to 3 kg on day 42", () => {
    const random = seededRandom(3);
    const mean = (age: number): number =>
      Array.from({ length: 500 }, () => birdWeightKg(age, random)).reduce((sum, kg) => sum + kg, 0) / 500;
    expect(mean(1)).toBeCloseTo(0.04, 2);
    expect(mean(42)).toBeGreaterThan(2.5);
    expect(mean(42)).toBeLessThan(3);
  });

  it("a silo only falls, but for its refills", () => {
    const random = seededRandom(5);
    const silo = new Silo({ capacityKg: 1_000, kgPerHour: 50, startMs: 0 });
    let before = silo.weightKgAt(0, random);
    let refills = 0;
    for (let hour = 1; hour < 200; hour += 1) {
      const now = silo.weightKgAt(hour * 3_600_000, random);
      if (now > before) refills += 1;
      else expect(before - now).toBeGreaterThan(30);
      before = now;
    }
    expect(refills).toBeGreaterThan(5);
    expect(refills).toBeLessThan(15);
  });

  it("the same seed gives the same day", () => {
    const day = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 50 }, (_, index) => temperature.valueAt(index * 1_000, random));
    };
    expect(day(11)).toEqual(day(11));
    expect(day(11)).not.toEqual(day(12));
  });
});
