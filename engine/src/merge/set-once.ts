import { compareRawValues, compareStamps, type Register } from "./register.ts";

/**
 * `setOnce`: null until it is set; the value with the least stamp stays. A value beats null, a known stamp beats an unknown
 * one. A maximum over a total order, hence commutative, associative and idempotent. Monotone: once every value has
 * arrived nothing changes it, and it never becomes null again.
 */
export function joinSetOnce(left: Register, right: Register): Register {
  if (left.value === null || right.value === null) {
    if (left.value === null && right.value === null) return compareStamps(left, right) >= 0 ? left : right;
    return left.value === null ? right : left;
  }
  if (left.stamp === 0n || right.stamp === 0n) {
    if (left.stamp !== right.stamp) return left.stamp === 0n ? right : left;
    return compareRawValues(left.value, right.value) >= 0 ? left : right;
  }
  return (compareStamps(left, right) || compareRawValues(left.value, right.value)) <= 0 ? left : right;
}
