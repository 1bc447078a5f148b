import { join } from "node:path";
import type { Database } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { layGround, type ServiceGround } from "../e2e/service-ground.ts";
import { edgeProgram } from "../e2e/service-programs.ts";
import { type Cost, compareTimes, costOf, type Figure, inTurn } from "./measure.ts";
import { ServiceProcess } from "./service-process.ts";
import { INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";

/** Rows of the directory for each row of a run: big, but no more than a run of all benchmarks bears. */
const SCALE = 5;
const BATCH = 5_000;
const DAY_MS = 86_400_000;

/** Writes past capture, as rows that were acknowledged and pruned from the log long ago. */
async function fill(database: Database, tenant: string, farm: string, barns: readonly string[], count: number): Promise<number> {
  const rows = telemetryRows({ tenant, farm, barns, startMs: Date.now() - 7 * DAY_MS }, count);
  for (let from = 0; from < rowCount(rows); from += BATCH) {
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query(INSERT_SQL, sliceRows(rows, from, from + BATCH));
    });
  }
  await database.script("vacuum analyze");
  const size = await database.query<{ size: number }>("select pg_database_size(current_database()) as size");
  return Math.round((size.rows[0]?.size ?? 0) / 2 ** 20);
}

/** A start to the moment when `ready` is printed; the process is ended in good order, which is not measured. */
async function startCostOf(args: readonly string[], readyText: string): Promise<Cost> {
  let program: ServiceProcess | null = null;
  const cost = await costOf(async () => {
    program = await ServiceProcess.start(args, readyText);
  });
  await (program as ServiceProcess | null)?.end();
  return cost;
}

async function makeDirectory(ground: ServiceGround, count: number): Promise<number> {
  const { args } = await edgeProgram(ground, "info");
  await startCostOf(args, "edge-started");
  const database = await openPgliteDatabase({ dataDir: join(ground.edgeDir, "database") });
  try {
    const { tenant, farm, barns } = ground.plan;
    return await fill(
      database,
      tenant,
      farm,
      barns.map(({ barn }) => barn),
      count,
    );
  } finally {
    await database.close();
  }
}

/** F13: the daemon from the start of its process to ready, against a process that opens PGlite alone on the same directory. */
export const restartEdge = async (rows: number, runs: number): Promise<readonly Figure[]> => {
  const { ground, end } = await layGround(4);
  try {
    // A barn without a link is ready, too.
    ground.wire.cut();
    const count = rows * SCALE;
    const size = await makeDirectory(ground, count);
    const alone = new URL("./pglite-open.child.js", import.meta.url).pathname;
    const { args } = await edgeProgram(ground, "info");
    const pairs = await inTurn(
      runs,
      async () => await startCostOf([alone, join(ground.edgeDir, "database", "pgdata")], "ready\n"),
      async () => await startCostOf(args, "edge-started"),
    );
    const times = compareTimes(pairs);
    return [
      {
        id: "F13",
        what: `restart of an edge with ${count.toLocaleString("en-US")} rows (${size.toLocaleString("en-US")} MiB) to ready, against PGlite alone`,
        unit: "ms",
        ...times,
        goal: "<= 1.20",
        reached: times.ratio <= 1.2,
        runs,
      },
    ];
  } finally {
    await end();
  }
};
