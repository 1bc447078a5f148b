import type { Database } from "@hayloft/engine";
import { Bench, createFarm, createPlainTelemetry, START_MS } from "./bench-databases.ts";
import { type Figure, inTurn, perSecond } from "./measure.ts";
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
    return await perSecond(count, () => write(database, rows));
  } finally {
    await bench.close();
  }
};

/** F1: the local write with capture against the same batched insert into the same table without triggers, fsync on. */
export const localWrite = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  const sizes = { floor: 0, ours: 0 };
  const run = async (prepare: (database: Database) => Promise<void>, key: "floor" | "ours"): Promise<number> => {
    const bench = new Bench();
    try {
      const database = await bench.pglite();
      await prepare(database);
      const empty = await sizeOf(database);
      await warm(database);
      const speed = await perSecond(count, () => write(database, rows));
      sizes[key] = (await sizeOf(database)) - empty;
      return speed;
    } finally {
      await bench.close();
    }
  };
  const speed = await inTurn(
    runs,
    () => run(createPlainTelemetry, "floor"),
    () => run((database) => createFarm(database, "edge"), "ours"),
  );
  const ratio = speed.ours / speed.floor;
  const storage = sizes.ours / sizes.floor;
  return [
    {
      id: "F1",
      what: "local write with capture, batches of 500, fsync on",
      unit: "rows/s",
      ...speed,
      ratio,
      goal: ">= 0.80",
      reached: ratio >= 0.8,
      runs,
    },
    {
      id: "F1",
      what: "storage of table and log",
      unit: "bytes/row",
      floor: sizes.floor / count,
      ours: sizes.ours / count,
      ratio: storage,
      goal: "<= 1.3",
      reached: storage <= 1.3,
      runs,
    },
  ];
};
