/** The standard row of the benchmarks: `telemetry_raw` with all its columns, from a seeded generator. */
const TELEMETRY_COLUMNS = [
  ["id", "uuid"],
  ["tenant_id", "text"],
  ["farm_id", "text"],
  ["barn_id", "text"],
  ["device_id", "text"],
  ["batch_id", "text"],
  ["metric", "text"],
  ["value", "numeric"],
  ["unit", "text"],
  ["occurred_at", "timestamptz"],
  ["event_id", "text"],
  ["trace_id", "text"],
  ["ingested_at", "timestamptz"],
] as const;

export const COLUMN_NAMES: readonly string[] = TELEMETRY_COLUMNS.map(([name]) => name);

/** Rows as column vectors in text form, in the order of `TELEMETRY_COLUMNS`. */
export type ColumnVectors = readonly (readonly (string | null)[])[];

export interface RowSource {
  readonly tenant: string;
  readonly farm: string;
  readonly barns: readonly string[];
  readonly startMs: number;
}

const METRICS = [
  ["temperature", "C", 25, 3],
  ["humidity", "%", 60, 10],
  ["ammonia", "ppm", 10, 3],
] as const;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0").slice(-digits);

/** A uuid v7 with the given time and seeded random bits. */
const uuidAt = (atMs: number, random: () => number): string => {
  const time = hex(atMs, 12);
  const word = (): number => Math.floor(random() * 65_536);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(word(), 3)}-${hex(0x8000 | (word() & 0x3fff), 4)}-${hex(word(), 4)}${hex(word(), 4)}${hex(word(), 4)}`;
};

const mulberry = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/**
 * `count` rows of one site: ten gateways a barn, three metrics each, one reading every 60 s per metric. The three readings of
 * one round share a trace id, as a gateway's do; every reading has its own event id.
 */
export const telemetryRows = (source: RowSource, count: number, seed = 1): ColumnVectors => {
  const random = mulberry(seed);
  const vectors: (string | null)[][] = TELEMETRY_COLUMNS.map(() => []);
  const devices = source.barns.flatMap((barn) =>
    Array.from({ length: 10 }, (_, index) => ({ barn, device: `${barn}-gateway-${index}` })),
  );
  const perRound = devices.length * METRICS.length;
  let trace = "";
  for (let index = 0; index < count; index += 1) {
    const round = Math.floor(index / perRound);
    const slot = index % perRound;
    const place = devices[Math.floor(slot / METRICS.length)];
    const metric = METRICS[slot % METRICS.length];
    if (place === undefined || metric === undefined) throw new Error("a row source needs at least one barn");
    const [name, unit, mean, spread] = metric;
    const atMs = source.startMs + round * 60_000 + Math.floor(random() * 900);
    if (slot % METRICS.length === 0) trace = uuidAt(atMs, random);
    const at = new Date(atMs).toISOString();
    const row = [
      uuidAt(atMs + 40, random),
      source.tenant,
      source.farm,
      place.barn,
      place.device,
      `${place.barn}-batch`,
      name,
      (mean + spread * (random() * 2 - 1)).toFixed(4),
      unit,
      at,
      uuidAt(atMs, random),
      trace,
      new Date(atMs + 40 + Math.floor(random() * 20)).toISOString(),
    ];
    row.forEach((value, column) => vectors[column]?.push(value));
  }
  return vectors;
};

/** Rows `from` to `to` (exclusive) of the vectors. */
export const sliceRows = (vectors: ColumnVectors, from: number, to: number): ColumnVectors =>
  vectors.map((vector) => vector.slice(from, to));

export const rowCount = (vectors: ColumnVectors): number => vectors[0]?.length ?? 0;

/** The statement every floor and every writer uses: one array parameter per column. */
export const INSERT_SQL = `insert into telemetry_raw (${COLUMN_NAMES.join(", ")}) select * from unnest(${TELEMETRY_COLUMNS.map(
  ([, type], index) => `$${index + 1}::${type}[]`,
).join(", ")})`;
