import type { Lattice } from "./rule.ts";

/** All values that a lattice names. */
export function latticeValues(order: Lattice): readonly string[] {
  return [...new Set([...Object.keys(order.lattice), ...Object.values(order.lattice).flat()])];
}

/** Every pair [from, to] of different values where `to` can be reached from `from` in one or more steps. */
export function reachable(order: Lattice): readonly (readonly [string, string])[] {
  return latticeValues(order).flatMap((from) =>
    [...upwardOf(order, from)].filter((to) => to !== from).map((to) => [from, to] as const),
  );
}

/** The value itself and all that can be reached from it. */
function upwardOf(order: Lattice, from: string): ReadonlySet<string> {
  const found = new Set([from]);
  // A set's iteration visits members that are added on the way.
  for (const value of found) for (const next of order.lattice[value] ?? []) found.add(next);
  return found;
}

/** Why the order is not a join semilattice, or null when it is: a cycle, or two values without a single join. */
export function latticeFault(order: Lattice): string | null {
  const values = latticeValues(order);
  const upward = new Map(values.map((value) => [value, upwardOf(order, value)]));
  const above = (value: string): ReadonlySet<string> => upward.get(value) ?? new Set();
  for (const [from, to] of reachable(order)) if (above(to).has(from)) return `${from} and ${to} lead to each other`;
  for (const left of values) {
    for (const right of values) {
      const common = values.filter((value) => above(left).has(value) && above(right).has(value));
      const least = common.filter((value) => common.every((other) => above(value).has(other)));
      if (least.length !== 1) return `${left} and ${right} have no single join`;
    }
  }
  return null;
}
