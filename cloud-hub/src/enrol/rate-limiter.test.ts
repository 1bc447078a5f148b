import { describe, expect, it } from "vitest";
import { RateLimiter } from "./rate-limiter.ts";

describe("RateLimiter", () => {
  it("allows a burst, then one attempt per interval, per address", () => {
    const limiter = new RateLimiter(6);
    expect(Array.from({ length: 7 }, () => limiter.take("a", 0))).toEqual([0, 0, 0, 0, 0, 0, 10_000]);
    expect(limiter.take("b", 0)).toBe(0);
    expect(limiter.take("a", 9_000)).toBe(1_000);
    expect(limiter.take("a", 10_000)).toBe(0);
    expect(limiter.take("a", 10_000)).toBe(10_000);
  });

  it("never gains attempts from a clock that went back", () => {
    const limiter = new RateLimiter(1);
    expect(limiter.take("a", 100_000)).toBe(0);
    expect(limiter.take("a", 0)).toBe(60_000);
  });

  it("forgets the address unseen for longest and stays bounded", () => {
    const limiter = new RateLimiter(1);
    for (let index = 0; index < 20_000; index++) limiter.take(`address-${index}`, 0);
    expect(limiter.take("address-19999", 0)).toBe(60_000);
    expect(limiter.take("address-0", 0)).toBe(0);
  });
});
