import type { Database } from "@hayloft/engine";
import { Bench, createFarm, createPlainTelemetry, START_MS } from "./bench-databases.ts";
import { addCost, compare, costOf, type Figure, NO_COST, type Pair, perSecond } from "./measure.ts";
import { INSERT_SQL, rowCount, sliceRows, telemetryRows, type ColumnVectors } from "./telemetry-rows.ts";

const BATCH = 500;
const SOURCE = { tenant: "t-bench", farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };

const write = async (database: Database, rows: ColumnVectors): Promise<void> => {
  for (let from = 0; from < rowCount(rows); from += BATCH) {
    await database.query(INSERT_SQL, sliceRows(rows, from, from + BATCH));
  }
};

const warm = (database: Database): Promise<void> =>
  write(database, telemetryRows({ ...SOURCE, startMs: START_MS + 20 * 86_400_000 }, 2_000, 2));

const sizeOf = async (database: Database): Promise<number> => {
  const { rows } = await database.query<{ readonly bytes: number }>(
    `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as bytes from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and (c.relname like 'telemetry_raw%' or n.nspname = 'hayloft')`,
  );
  return rows[0]?.bytes ?? 0;
};

/** Rows a second of the batched write with capture alone, as F1 measures it: the other floor of F2. */
export const captureSpeed = async (count: number): Promise<number> => {
  const bench = new Bench();
  try {
    const database = await bench.pglite();
    await createFarm(database, "edge");
    await warm(database);
    const rows = telemetryRows(SOURCE, count);
    return perSecond(count, await costOf(() => write(database, rows)));
  } finally {
    await bench.close();
  }
};

/** Batches that one side writes before the other has its turn. */
const TURN_BATCHES = 10;

interface Side {
  readonly database: Database;
  readonly emptyBytes: number;
}

/** A database on disk of its own, warm. */
const open = async (bench: Bench, prepare: (database: Database) => Promise<void>): Promise<Side> => {
  const database = await bench.pglite();
  await prepare(database);
  const emptyBytes = await sizeOf(database);
  await warm(database);
  return { database, emptyBytes };
};

/** Both sides write the same rows, some batches each in turn. */
const writeBoth = async (
  rows: ColumnVectors,
): Promise<{ readonly pair: Pair; readonly floorBytes: number; readonly oursBytes: number }> => {
  const bench = new Bench();
  try {
    const floor = await open(bench, createPlainTelemetry);
    const ours = await open(bench, (database) => createFarm(database, "edge"));
    let [floorCost, oursCost] = [NO_COST, NO_COST];
    const step = TURN_BATCHES * BATCH;
    for (let from = 0; from < rowCount(rows); from += step) {
      const part = sliceRows(rows, from, from + step);
      floorCost = addCost(floorCost, await costOf(() => write(floor.database, part)));
      oursCost = addCost(oursCost, await costOf(() => write(ours.database, part)));
    }
    const floorBytes = (await sizeOf(floor.database)) - floor.emptyBytes;
    const oursBytes = (await sizeOf(ours.database)) - ours.emptyBytes;
    return { pair: { floor: floorCost, ours: oursCost }, floorBytes, oursBytes };
  } finally {
    await bench.close();
  }
};

/** F1: the local write with capture against the same batched insert into the same table without triggers, fsync on. */
export const localWrite = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  const measured: Awaited<ReturnType<typeof writeBoth>>[] = [];
  for (let run = 0; run < runs; run += 1) measured.push(await writeBoth(rows));
  const speed = compare(
    count,
    measured.map(({ pair }) => pair),
  );
  const last = measured.at(-1) ?? { floorBytes: Number.NaN, oursBytes: Number.NaN };
  const storage = last.oursBytes / last.floorBytes;
  return [
    {
      id: "F1",
      what: "local write with capture, batches of 500, fsync on",
      unit: "rows/s",
      ...speed,
      goal: ">= 0.80",
      reached: speed.ratio >= 0.8,
      runs,
    },
    {
      id: "F1",
      what: "storage of table and log",
      unit: "bytes/row",
      floor: last.floorBytes / count,
      ours: last.oursBytes / count,
      ratio: storage,
      goal: "<= 1.3",
      reached: storage <= 1.3,
      runs,
    },
  ];
};
