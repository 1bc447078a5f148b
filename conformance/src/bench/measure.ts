/** One figure of a benchmark run. `ratio` compares it to the floor that ran beside it. */
export interface Figure {
  /** The goal's id, for example F3. */
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly floor: number | null;
  readonly ours: number;
  readonly ratio: number | null;
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

/** Runs `work` and returns how many units it did per second. */
export const perSecond = async (units: number, work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return units / ((performance.now() - startedAt) / 1_000);
};

/** Runs floor and ours in turn, `runs` times each, so that noise of the machine meets both. */
export const inTurn = async (
  runs: number,
  floor: () => Promise<number>,
  ours: () => Promise<number>,
): Promise<{ readonly floor: number; readonly ours: number }> => {
  const floors: number[] = [];
  const own: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    floors.push(await floor());
    own.push(await ours());
  }
  return { floor: median(floors), ours: median(own) };
};
