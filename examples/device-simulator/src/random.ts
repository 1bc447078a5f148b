/** A seeded generator of numbers in [0, 1): the same seed gives the same farm day. */
export type Random = () => number;

/** Mulberry32, a public-domain generator by Tommy Ettinger; good enough for signals, not for secrets. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** A number of the normal distribution with mean 0 and deviation 1 (Box and Muller). */
export const normal = (random: Random): number => {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
};

/** True with the given probability. */
export const chance = (random: Random, probability: number): boolean => random() < probability;
