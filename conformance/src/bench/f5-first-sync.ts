import type { Database } from "@hayloft/engine";
import { Bench, createPlainTelemetry, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { syncByImage } from "./f5-image.ts";
import { compare, type Cost, costOf, type Figure, inTurn } from "./measure.ts";
import { moveRaw } from "./raw-floor.ts";
import { fillReplica, prepareEdge, startHubSide, TENANT } from "./replica-pair.ts";
import { type ColumnVectors, INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";

const SOURCE = { tenant: TENANT, farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };

/** Fills a table without capture, as if the rows had come from a barn long ago. */
const fill = async (database: Database, rows: ColumnVectors): Promise<void> => {
  await database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    for (let from = 0; from < rowCount(rows); from += 5_000) await tx.query(INSERT_SQL, sliceRows(rows, from, from + 5_000));
  });
  await database.script("analyze telemetry_raw");
};

const floor = async (rows: ColumnVectors): Promise<Cost> => {
  const bench = new Bench();
  try {
    const from = await bench.postgres();
    const to = await bench.pglite();
    await createPlainTelemetry(from);
    await createPlainTelemetry(to);
    await fill(from, rows);
    const cost = await costOf(() => moveRaw(from, to, TENANT));
    await assertEqualRows(from, to);
    return cost;
  } finally {
    await bench.close();
  }
};

const firstSync = async (rows: ColumnVectors): Promise<{ readonly cost: Cost; readonly bytesPerRow: number }> => {
  const bench = new Bench();
  try {
    const hub = await startHubSide(bench, await bench.postgres());
    await fill(hub.database, rows);
    const edgeDatabase = await bench.pglite();
    await prepareEdge(edgeDatabase, hub.edgeIdentity.nodeId);
    const { cost } = await fillReplica(hub, edgeDatabase);
    const bytesPerRow = hub.bytes().down / rowCount(rows);
    await assertEqualRows(edgeDatabase, hub.database);
    return { cost, bytesPerRow };
  } finally {
    await bench.close();
  }
};

/** F5, without and with a cached image beside the same floor, and the downward half of F7. */
export const fillEdge = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  let bytesPerRow = 0;
  const byImage: Cost[] = [];
  const pairs = await inTurn(
    runs,
    () => floor(rows),
    async () => {
      const result = await firstSync(rows);
      bytesPerRow = result.bytesPerRow;
      byImage.push(await syncByImage(async (database) => await fill(database, rows)));
      return result.cost;
    },
  );
  const speed = compare(count, pairs);
  const imagePairs = pairs.flatMap(({ floor: beside }, run) =>
    byImage[run] === undefined ? [] : [{ floor: beside, ours: byImage[run] }],
  );
  const imageSpeed = compare(count, imagePairs);
  return [
    {
      id: "F5",
      what: `first sync of ${count.toLocaleString("en-US")} rows to an empty edge`,
      unit: "rows/s",
      ...speed,
      goal: ">= 0.90",
      reached: speed.ratio >= 0.9,
      runs,
    },
    {
      id: "F5",
      what: `the same with a cached image: from an empty directory, over HTTP, to the end of the log`,
      unit: "rows/s",
      ...imageSpeed,
      goal: ">= 3.00",
      reached: imageSpeed.ratio >= 3,
      runs,
    },
    {
      id: "F7",
      what: "bytes on the wire down, handshake included, against the JSON envelope",
      unit: "bytes/row",
      floor: 420,
      ours: bytesPerRow,
      ratio: bytesPerRow / 420,
      goal: "<= 48",
      reached: bytesPerRow <= 48,
      runs,
    },
  ];
};
