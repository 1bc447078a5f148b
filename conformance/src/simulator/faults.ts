import { Random } from "./random.ts";

/** What goes wrong in one run, and how often. Each run draws its own: some kinds off, some frequent. */
export interface Faults {
  /** Chances per message. */
  readonly cut: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Of broken connections, how many are noticed by one side only. */
  readonly halfOpen: number;
  readonly latencyMsMax: number;
  readonly bytesPerMs: number;
  /** Mean time between two crashes of one node; Infinity: none. */
  readonly crashEveryMs: number;
  readonly downMsMax: number;
  readonly partitionEveryMs: number;
  readonly partitionMsMax: number;
  /** Until something is stored, and from then until the caller knows. */
  readonly storageMsMax: number;
  readonly skewMsMax: number;
  /** One tablet's clock is further ahead than its parent accepts. */
  readonly clockAhead: boolean;
  /** Chance that a commit is too large for one frame. */
  readonly large: number;
}

/** What happens to the disks of one run. Drawn apart, so that the other faults of a seed stay what they were. */
export interface DiskFaults {
  /** One node's disk is put back to an image of itself. */
  readonly restores: boolean;
  /** A second node runs from a copy of one node's disk. */
  readonly clones: boolean;
}

export function drawDiskFaults(seed: number): DiskFaults {
  const random = new Random(seed + 0x0d15c);
  return { restores: random.chance(0.35), clones: random.chance(0.35) };
}

export function drawFaults(random: Random): Faults {
  const sometimes = (likelihood: number, most: number): number => (random.chance(likelihood) ? random.next() * most : 0);
  return {
    cut: sometimes(0.7, 0.03),
    duplicate: sometimes(0.3, 0.02),
    reorder: sometimes(0.3, 0.02),
    halfOpen: sometimes(0.5, 1),
    latencyMsMax: random.pick([2, 30, 200, 1_000]),
    bytesPerMs: random.pick([20, 200, 5_000]),
    crashEveryMs: random.chance(0.7) ? random.between(3_000, 30_000) : Number.POSITIVE_INFINITY,
    downMsMax: random.pick([100, 2_000, 20_000]),
    partitionEveryMs: random.chance(0.6) ? random.between(5_000, 20_000) : Number.POSITIVE_INFINITY,
    partitionMsMax: random.pick([500, 5_000, 25_000]),
    storageMsMax: random.pick([1, 20, 300]),
    skewMsMax: random.pick([0, 500, 20_000]),
    clockAhead: random.chance(0.25),
    large: random.chance(0.08) ? 0.01 : 0,
  };
}

/** After the chaos nothing goes wrong any more. */
export const noFaults: Faults = {
  cut: 0,
  duplicate: 0,
  reorder: 0,
  halfOpen: 0,
  latencyMsMax: 5,
  bytesPerMs: 5_000,
  crashEveryMs: Number.POSITIVE_INFINITY,
  downMsMax: 0,
  partitionEveryMs: Number.POSITIVE_INFINITY,
  partitionMsMax: 0,
  storageMsMax: 1,
  skewMsMax: 0,
  clockAhead: false,
  large: 0,
};
