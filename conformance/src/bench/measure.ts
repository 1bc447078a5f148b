/** One figure of a benchmark run. `ratio` compares it to the floor that ran beside it. */
export interface Figure {
  /** The goal's id, for example F3. */
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly floor: number | null;
  readonly ours: number;
  /** The median of the runs' ratios, each of one run to the floor beside it. */
  readonly ratio: number | null;
  /** The lowest and the highest of them. */
  readonly ratioRange?: readonly [number, number];
  /** CPU of this process, its database threads included, in microseconds a unit; that of a Postgres server is not in it. */
  readonly cpuMicros?: { readonly floor: number; readonly ours: number };
  /** In words, for example `>= 0.90`. */
  readonly goal: string;
  readonly reached: boolean;
  readonly runs: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
};

/** The value below which `share` (0 to 1) of the values lie. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};

/** How long a piece of work took, and what it cost. */
export interface Cost {
  readonly ms: number;
  readonly cpuMicros: number;
}

/** Starts measuring; the function that it returns says what it cost up to now. */
export const startCost = (): (() => Cost) => {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  return () => {
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    return { ms, cpuMicros: user + system };
  };
};

/** Runs `work` and measures it. */
export const costOf = async (work: () => Promise<unknown>): Promise<Cost> => {
  const stop = startCost();
  await work();
  return stop();
};

export const addCost = (left: Cost, right: Cost): Cost => ({
  ms: left.ms + right.ms,
  cpuMicros: left.cpuMicros + right.cpuMicros,
});

export const NO_COST: Cost = { ms: 0, cpuMicros: 0 };

/** Units a second. */
export const perSecond = (units: number, { ms }: Cost): number => units / (ms / 1_000);

/** Floor and ours of one run, measured beside each other. */
export interface Pair {
  readonly floor: Cost;
  readonly ours: Cost;
}

/** What pairs of runs say of a number of units. */
export type Compared = Required<Pick<Figure, "floor" | "ours" | "ratio" | "ratioRange" | "cpuMicros">> & {
  readonly ratio: number;
};

/** Medians of speeds and of the pairs' ratios. */
export const compare = (units: number, pairs: readonly Pair[]): Compared => {
  const ratios = pairs.map(({ floor, ours }) => floor.ms / ours.ms);
  const cpu = (side: keyof Pair): number => median(pairs.map((pair) => pair[side].cpuMicros)) / units;
  return {
    floor: median(pairs.map(({ floor }) => perSecond(units, floor))),
    ours: median(pairs.map(({ ours }) => perSecond(units, ours))),
    ratio: median(ratios),
    ratioRange: [Math.min(...ratios), Math.max(...ratios)],
    cpuMicros: { floor: cpu("floor"), ours: cpu("ours") },
  };
};

/** What pairs of runs say of a time: medians in milliseconds, and how many floors ours took. */
export const compareTimes = (
  pairs: readonly Pair[],
): Required<Pick<Figure, "floor" | "ours" | "ratioRange">> & { readonly ratio: number } => {
  const ratios = pairs.map(({ floor, ours }) => ours.ms / floor.ms);
  return {
    floor: median(pairs.map(({ floor }) => floor.ms)),
    ours: median(pairs.map(({ ours }) => ours.ms)),
    ratio: median(ratios),
    ratioRange: [Math.min(...ratios), Math.max(...ratios)],
  };
};

/** Runs floor and ours in turn, `runs` times each, and each of them first every other time, so that noise meets both. */
export const inTurn = async (runs: number, floor: () => Promise<Cost>, ours: () => Promise<Cost>): Promise<readonly Pair[]> => {
  const pairs: Pair[] = [];
  for (let run = 0; run < runs; run += 1) {
    if (run % 2 === 0) pairs.push({ floor: await floor(), ours: await ours() });
    else {
      const own = await ours();
      pairs.push({ floor: await floor(), ours: own });
    }
  }
  return pairs;
};
