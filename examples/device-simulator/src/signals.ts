import { normal, type Random } from "./random.ts";

const DAY_MS = 86_400_000;
const swing = (atMs: number): number => Math.sin((2 * Math.PI * (atMs % DAY_MS)) / DAY_MS - Math.PI / 2);
const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));

/** One sensed quantity: its metric name on MQTT, its unit, and its value at a time. */
export interface Signal {
  readonly metric: string;
  readonly unit: string;
  readonly decimals: number;
  valueAt(atMs: number, random: Random): number;
}

/** 25 °C with a daily swing of 3 and noise of 1. */
export const temperature: Signal = {
  metric: "temperature",
  unit: "C",
  decimals: 2,
  valueAt: (atMs, random) => 25 + 3 * swing(atMs) + normal(random),
};

/** 60 % with a daily swing of 10 and noise of 5, within 0 to 100. */
export const humidity: Signal = {
  metric: "humidity",
  unit: "%",
  decimals: 2,
  valueAt: (atMs, random) => clamp(60 - 10 * swing(atMs) + 5 * normal(random), 0, 100),
};

/** 7 to 13 ppm. */
export const ammonia: Signal = {
  metric: "ammonia",
  unit: "ppm",
  decimals: 1,
  valueAt: (_atMs, random) => 7 + 6 * random(),
};

/** 40 g on day 1 and about 62 g more a day: 2.6 kg on day 42; single birds differ by 8 %. */
export const birdWeightKg = (ageDays: number, random: Random): number => {
  const meanKg = 0.04 + 0.0625 * Math.max(0, ageDays - 1);
  return Math.max(0.03, meanKg * (1 + 0.08 * normal(random)));
};

/**
 * A feed silo: it falls slowly while birds eat, jumps up when it is filled, and its scale trembles by less than 0.1 kg.
 * Stateful, since a silo remembers.
 */
export class Silo {
  readonly #capacityKg: number;
  readonly #kgPerHour: number;
  #contentKg: number;
  #atMs: number;

  constructor(options: { readonly capacityKg: number; readonly kgPerHour: number; readonly startMs: number }) {
    this.#capacityKg = options.capacityKg;
    this.#kgPerHour = options.kgPerHour;
    this.#contentKg = options.capacityKg;
    this.#atMs = options.startMs;
  }

  /** The reading at `atMs`, which must not lie before the last one. */
  weightKgAt(atMs: number, random: Random): number {
    const hours = Math.max(0, atMs - this.#atMs) / 3_600_000;
    this.#atMs = Math.max(this.#atMs, atMs);
    this.#contentKg -= hours * this.#kgPerHour * (0.8 + 0.4 * random());
    if (this.#contentKg < 0.1 * this.#capacityKg) this.#contentKg = this.#capacityKg;
    return this.#contentKg + 0.04 * (random() - 0.5);
  }
}
