import type { Database, Replica } from "@hayloft/engine";
import { checkReport } from "@hayloft/engine";
import type { FarmRows } from "@hayloft/schema";
import { Bench, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { compareTimes, type Cost, costOf, type Figure, median } from "./measure.ts";
import { fillReplica, type HubSide, prepareEdge, startHubSide, TENANT } from "./replica-pair.ts";
import { type ColumnVectors, INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";

const SOURCE = { tenant: TENANT, farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };

/** Rows that both sides hold, written past capture as if they had been exchanged long ago. */
const fill = async (database: Database, rows: ColumnVectors): Promise<void> => {
  await database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    for (let from = 0; from < rowCount(rows); from += 5_000) await tx.query(INSERT_SQL, sliceRows(rows, from, from + 5_000));
  });
  await database.script("analyze telemetry_raw");
};

/**
 * One sequential scan that reads every value of every row and makes its text, of both sides at the same time, the hub's by as many processes as
 * its planner wants. It counts bytes: to count characters takes a third longer, and is no part of reading.
 */
const scan = async (databases: readonly Database[]): Promise<void> => {
  await Promise.all(
    databases.map(async (database) => await database.query("select sum(octet_length(t::text)) as read from telemetry_raw as t")),
  );
};

const damageOne = async (database: Database, row: number): Promise<void> =>
  await database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query(
      "update telemetry_raw set value = value + 1 where id = (select id from telemetry_raw order by id offset $1 limit 1)",
      [row],
    );
  });

/** Compares the standard table; returns what of the standard table was set right. */
const verify = async (edge: Replica<FarmRows>): Promise<number> => {
  const { tables } = checkReport(JSON.stringify(await edge.verify({ tables: ["telemetry_raw"] })));
  if (!Array.isArray(tables)) throw new Error("no report");
  const found = tables as readonly { table: string; healedHere: number; healedAbove: number; left: number }[];
  if (found.some(({ left }) => left > 0)) throw new Error("rows differ still");
  return found.reduce((sum, { healedHere, healedAbove }) => sum + healedHere + healedAbove, 0);
};

interface Run {
  readonly scan: Cost;
  readonly proof: Cost;
  readonly repair: Cost;
  readonly bytes: number;
}

const measureOnce = async (hub: HubSide, edge: Replica<FarmRows>, row: number): Promise<Run> => {
  const databases = [hub.database, edge.database];
  const floor = await costOf(async () => await scan(databases));
  const proof = await costOf(async () => {
    if ((await verify(edge)) !== 0) throw new Error("equal rows were found to differ");
  });
  await damageOne(edge.database, row);
  const before = hub.bytes();
  const repair = await costOf(async () => {
    if ((await verify(edge)) !== 1) throw new Error("one damaged row was not found, or not set right");
  });
  const after = hub.bytes();
  return { scan: floor, proof, repair, bytes: after.up - before.up + (after.down - before.down) };
};

/** F11: proof that both sides hold the same rows, and one row found and repaired, against a scan that reads all of them. */
export const compareRows = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  const bench = new Bench();
  try {
    const hub = await startHubSide(bench, await bench.postgres());
    const edgeDatabase = await bench.pglite();
    await prepareEdge(edgeDatabase, hub.edgeIdentity.nodeId);
    const { edge } = await fillReplica(hub, edgeDatabase);
    await fill(hub.database, rows);
    await fill(edgeDatabase, rows);
    const measured: Run[] = [];
    for (let run = 0; run < runs; run += 1)
      measured.push(await measureOnce(hub, edge, Math.floor((count * (run + 1)) / (runs + 2))));
    await assertEqualRows(edgeDatabase, hub.database);
    const bytes = Math.max(...measured.map((run) => run.bytes));
    return [
      figureOf(`proof that ${count.toLocaleString("en-US")} rows are equal on both sides`, count, measured, (run) => run.proof),
      figureOf(`one differing row of ${count.toLocaleString("en-US")} found and repaired`, count, measured, (run) => run.repair),
      {
        id: "F11",
        what: "bytes on the wire of that, both ways",
        unit: "bytes",
        floor: 65_536,
        ours: bytes,
        ratio: bytes / 65_536,
        goal: "<= 65536",
        reached: bytes <= 65_536,
        runs,
      },
    ];
  } finally {
    await bench.close();
  }
};

/** In milliseconds; the ratio says how many scans it took. */
function figureOf(what: string, count: number, runs: readonly Run[], of: (run: Run) => Cost): Figure {
  const cpu = (cost: (run: Run) => Cost): number => median(runs.map((run) => cost(run).cpuMicros)) / count;
  const times = compareTimes(runs.map((run) => ({ floor: run.scan, ours: of(run) })));
  return {
    id: "F11",
    what,
    unit: "ms",
    ...times,
    cpuMicros: { floor: cpu((run) => run.scan), ours: cpu(of) },
    goal: "<= 2.00",
    reached: times.ratio <= 2,
    runs: runs.length,
  };
}
