import { compareRawValues, compareStamps, type Register } from "./register.ts";

/**
 * `lastWriterWins`: the register with the greater stamp, ties by node id (and, for unknown stamps, by the text of the
 * value). A maximum over a total order, hence commutative, associative and idempotent. Monotone in the stamp, not in the value.
 */
export function joinLastWriterWins(left: Register, right: Register): Register {
  const order = compareStamps(left, right) || compareRawValues(left.value, right.value);
  return order >= 0 ? left : right;
}
