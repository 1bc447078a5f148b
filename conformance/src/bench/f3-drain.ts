import { Bench, createPlainTelemetry, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { compare, type Cost, costOf, type Figure, inTurn } from "./measure.ts";
import { moveRaw } from "./raw-floor.ts";
import { fillReplica, prepareEdge, startHubSide, TENANT } from "./replica-pair.ts";
import { type ColumnVectors, INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";
import type { Database } from "@hayloft/engine";

const SOURCE = { tenant: TENANT, farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };
const ENVELOPE_BYTES = 420;

const writeAll = async (database: Database, rows: ColumnVectors, batch: number): Promise<void> => {
  for (let from = 0; from < rowCount(rows); from += batch) await database.query(INSERT_SQL, sliceRows(rows, from, from + batch));
};

const floor = async (rows: ColumnVectors): Promise<Cost> => {
  const bench = new Bench();
  try {
    const from = await bench.pglite();
    const to = await bench.postgres();
    await createPlainTelemetry(from);
    await createPlainTelemetry(to);
    await writeAll(from, rows, 1_000);
    // Without it the planner thinks that the table is small, and sorts it for every page.
    await from.script("analyze telemetry_raw");
    const cost = await costOf(() => moveRaw(from, to, TENANT));
    await assertEqualRows(from, to);
    return cost;
  } finally {
    await bench.close();
  }
};

/** Rows written while the edge was alone, in commits of 500, until the hub has acknowledged the last of them as durable. */
const drain = async (rows: ColumnVectors): Promise<{ readonly cost: Cost; readonly bytesPerRow: number }> => {
  const bench = new Bench();
  try {
    const hub = await startHubSide(bench, await bench.postgres());
    const edgeDatabase = await bench.pglite();
    await prepareEdge(edgeDatabase, hub.edgeIdentity.nodeId);
    // An edge that was in touch before: its first sync is another figure.
    const { edge: before } = await fillReplica(hub, edgeDatabase);
    await before.close();
    await writeAll(edgeDatabase, rows, 500);
    const bytesBefore = hub.bytes().up;
    const edge = await hub.openEdge(edgeDatabase);
    const last = telemetryRows({ ...SOURCE, startMs: START_MS + 25 * 86_400_000 }, 1, 3);
    const cost = await costOf(async () => {
      const { receipt } = await edge.write(async (_db, tx) => tx.query(INSERT_SQL, last));
      await receipt?.until("top", { deadlineMs: 600_000 });
    });
    const bytesPerRow = (hub.bytes().up - bytesBefore) / rowCount(rows);
    await assertEqualRows(edgeDatabase, hub.database);
    return { cost, bytesPerRow };
  } finally {
    await bench.close();
  }
};

/** F3 and the upward half of F7. */
export const drainBacklog = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  let bytesPerRow = 0;
  const pairs = await inTurn(
    runs,
    () => floor(rows),
    async () => {
      const result = await drain(rows);
      bytesPerRow = result.bytesPerRow;
      return result.cost;
    },
  );
  const speed = compare(count, pairs);
  return [
    {
      id: "F3",
      what: `drain of ${count.toLocaleString("en-US")} rows written offline, durable at the hub`,
      unit: "rows/s",
      ...speed,
      goal: ">= 0.90",
      reached: speed.ratio >= 0.9,
      runs,
    },
    {
      id: "F7",
      what: "bytes on the wire up, handshake included, against the JSON envelope",
      unit: "bytes/row",
      floor: ENVELOPE_BYTES,
      ours: bytesPerRow,
      ratio: bytesPerRow / ENVELOPE_BYTES,
      goal: "<= 48",
      reached: bytesPerRow <= 48,
      runs,
    },
  ];
};
