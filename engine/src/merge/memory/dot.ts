import { compareEntries, type Dot, itemsOf, type Json, type Seen, textOf } from "./memory.ts";

export const sameDot = (left: Dot, right: Dot): boolean => compareEntries(left, right) === 0;
export const dotJson = ({ stamp, node, at }: Dot): Json => [String(stamp), node, at];

export function dotOfJson(value: Json): Dot {
  const [stamp, node, at] = itemsOf(value);
  return { stamp: BigInt(textOf(stamp)), node: textOf(node), at: Number(at) };
}

/**
 * What is left of the same thing in two bases: what both have, and what one has and the other never saw. What one has and the other
 * saw and does not have was taken away. Each side gives its dots and what it has seen.
 */
export function survivingDots<D extends Dot>(
  left: readonly [readonly D[], Seen],
  right: readonly [readonly D[], Seen],
): readonly D[] {
  const keptOf = ([dots]: readonly [readonly D[], Seen], [others, seen]: readonly [readonly D[], Seen]): readonly D[] =>
    dots.filter((dot) => (seen.get(dot.node) ?? 0n) < dot.stamp || others.some((other) => sameDot(other, dot)));
  const kept = [...keptOf(left, right), ...keptOf(right, left)].toSorted(compareEntries);
  return kept.filter((dot, place) => {
    const before = kept[place - 1];
    return before === undefined || !sameDot(before, dot);
  });
}
