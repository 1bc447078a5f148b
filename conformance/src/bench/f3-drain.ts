import { Bench, createPlainTelemetry, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { type Figure, inTurn, perSecond } from "./measure.ts";
import { moveRaw } from "./raw-floor.ts";
import { prepareEdge, startHubSide, TENANT } from "./replica-pair.ts";
import { type ColumnVectors, INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";
import type { Database } from "@hayloft/engine";

const SOURCE = { tenant: TENANT, farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };
const ENVELOPE_BYTES = 420;

const writeAll = async (database: Database, rows: ColumnVectors, batch: number): Promise<void> => {
  for (let from = 0; from < rowCount(rows); from += batch) await database.query(INSERT_SQL, sliceRows(rows, from, from + batch));
};

const floor = async (rows: ColumnVectors): Promise<number> => {
  const bench = new Bench();
  try {
    const from = await bench.pglite();
    const to = await bench.postgres();
    await createPlainTelemetry(from);
    await createPlainTelemetry(to);
    await writeAll(from, rows, 1_000);
    const speed = await perSecond(rowCount(rows), () => moveRaw(from, to));
    await assertEqualRows(from, to);
    return speed;
  } finally {
    await bench.close();
  }
};

/** Rows written while the edge was alone, in commits of 500, until the hub has acknowledged the last of them as durable. */
const drain = async (rows: ColumnVectors): Promise<{ readonly speed: number; readonly bytesPerRow: number }> => {
  const bench = new Bench();
  try {
    const hub = await startHubSide(bench, await bench.postgres());
    const edgeDatabase = await bench.pglite();
    await prepareEdge(edgeDatabase, hub.edgeIdentity.nodeId);
    await writeAll(edgeDatabase, rows, 500);
    const edge = await hub.openEdge(edgeDatabase);
    const last = telemetryRows({ ...SOURCE, startMs: START_MS + 25 * 86_400_000 }, 1, 3);
    const speed = await perSecond(rowCount(rows), async () => {
      const { receipt } = await edge.write(async (_db, tx) => tx.query(INSERT_SQL, last));
      await receipt?.until("top", { timeoutMs: 600_000 });
    });
    const bytesPerRow = hub.bytes().up / rowCount(rows);
    await assertEqualRows(edgeDatabase, hub.database);
    return { speed, bytesPerRow };
  } finally {
    await bench.close();
  }
};

/** F3 and the upward half of F7. */
export const drainBacklog = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  let bytesPerRow = 0;
  const speed = await inTurn(
    runs,
    () => floor(rows),
    async () => {
      const result = await drain(rows);
      bytesPerRow = result.bytesPerRow;
      return result.speed;
    },
  );
  const ratio = speed.ours / speed.floor;
  return [
    {
      id: "F3",
      what: `drain of ${count.toLocaleString("en-US")} rows written offline, durable at the hub`,
      unit: "rows/s",
      ...speed,
      ratio,
      goal: ">= 0.90",
      reached: ratio >= 0.9,
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
