import { createHash } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Aedes } from "aedes";
import { type Edge, edgeConfigOf, startEdge } from "@hayloft/edge-node";
import { seedFarm, seedPlan } from "@hayloft/schema";
import { Bench } from "./bench-databases.ts";
import { captureSpeed } from "./f1-local-write.ts";
import { type Figure, median, quantile } from "./measure.ts";
import { LIVE_STEP_MS, messageLine, FARM } from "./mqtt-messages.ts";
import { MqttLoad } from "./mqtt-load.ts";

const OPEN_LOOP_PER_SECOND = 500;
const OPEN_LOOP_SECONDS = 10;
const WARM_MESSAGES = 2_000;

/** The broker and the client alone, as the daemon sets them up, without anything behind them. */
const brokerAlone = async (count: number): Promise<number> => {
  const bench = new Bench();
  try {
    const aedes = await Aedes.createBroker({ connectTimeout: 10_000 });
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      aedes.handle(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    bench.onClose(() => new Promise((resolve) => server.close(() => resolve())));
    bench.onClose(() => new Promise((resolve) => aedes.close(() => resolve())));
    const load = startLoad(bench);
    return (await closedLoop(load, `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, count)).perSecond;
  } finally {
    await bench.close();
  }
};

const startLoad = (bench: Bench): MqttLoad => {
  const load = new MqttLoad();
  bench.onClose(() => load.close());
  return load;
};

/** Messages of the last hours, published as fast as they are acknowledged; the first ones warm everything up. */
const closedLoop = async (load: MqttLoad, url: string, count: number): Promise<{ readonly perSecond: number }> => {
  const total = count + WARM_MESSAGES;
  const times = { url, startMs: Date.now() - total * LIVE_STEP_MS, stepMs: LIVE_STEP_MS, perSecond: null };
  await load.run({ ...times, firstNumber: 0, count: WARM_MESSAGES });
  const { elapsedMs } = await load.run({ ...times, firstNumber: WARM_MESSAGES, count });
  return { perSecond: count / (elapsedMs / 1_000) };
};

/** The daemon with its database on disk, fsync on, without a hub. */
const startBarn = async (bench: Bench): Promise<Edge> => {
  const config = edgeConfigOf({
    data_dir: join(bench.tempDir(), "edge"),
    mode: "standalone",
    tenant_id: seedPlan(FARM).tenants[0]?.tenant_id ?? "",
    "broker.port": 0,
    "broker.anonymous": true,
    "http.port": 0,
    "log.level": "error",
  });
  const edge = await startEdge(config);
  bench.onClose(() => edge.stop());
  if (edge.replica.database.durability !== "D2") throw new Error("the edge's database does not sync its files");
  await seedFarm(edge.replica.database, { ...FARM, captured: false });
  return edge;
};

/** Ends the run when the database does not hold exactly these messages. */
const assertStored = async (edge: Edge, count: number): Promise<void> => {
  const { rows } = await edge.replica.database.query<{ readonly line: string }>(
    "select event_id || ' ' || value as line from telemetry_raw order by event_id",
  );
  const hash = (lines: readonly string[]): string => createHash("sha256").update(lines.join("\n")).digest("hex");
  const expected = Array.from({ length: count }, (_, number) => messageLine(number));
  if (rows.length !== count || hash(rows.map(({ line }) => line)) !== hash(expected)) {
    throw new Error(`${rows.length} rows are stored of ${count} acknowledged messages, or their content differs`);
  }
};

interface BarnRun {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const ingest = async (count: number): Promise<BarnRun> => {
  const bench = new Bench();
  try {
    const edge = await startBarn(bench);
    const load = startLoad(bench);
    const { perSecond } = await closedLoop(load, edge.mqttUrl, count);
    const open = OPEN_LOOP_PER_SECOND * OPEN_LOOP_SECONDS;
    const firstNumber = count + WARM_MESSAGES;
    const stepMs = 1_000 / OPEN_LOOP_PER_SECOND;
    const startMs = Date.now() - firstNumber * stepMs;
    const order = { url: edge.mqttUrl, startMs, stepMs, firstNumber, count: open, perSecond: OPEN_LOOP_PER_SECOND };
    const { latenciesMs } = await load.run(order);
    await assertStored(edge, firstNumber + open);
    return { perSecond, p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99) };
  } finally {
    await bench.close();
  }
};

/** F2: messages acknowledged after their durable commit, against the broker and client alone and against F1's own rate. */
export const ingestMessages = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const alone: number[] = [];
  const writes: number[] = [];
  const barns: BarnRun[] = [];
  for (let run = 0; run < runs; run += 1) {
    alone.push(await brokerAlone(count));
    writes.push(await captureSpeed(count));
    barns.push(await ingest(count));
  }
  const floor = Math.min(median(alone), median(writes));
  const ours = median(barns.map(({ perSecond }) => perSecond));
  const p99Ms = median(barns.map((barn) => barn.p99Ms));
  const p50Ms = median(barns.map((barn) => barn.p50Ms));
  const ratio = ours / floor;
  const latency = { id: "F2", unit: "ms", floor: null, ratio: null, runs };
  return [
    {
      id: "F2",
      what: `MQTT message → acknowledged after durable commit; broker alone ${Math.round(median(alone))}, F1's write ${Math.round(median(writes))}`,
      unit: "msg/s",
      floor,
      ours,
      ratio,
      goal: ">= 0.60",
      reached: ratio >= 0.6,
      runs,
    },
    {
      id: "F2",
      what: "the same, messages a second",
      unit: "msg/s",
      floor: null,
      ours,
      ratio: null,
      goal: ">= 3,000",
      reached: ours >= 3_000,
      runs,
    },
    { ...latency, what: `publish → PUBACK at ${OPEN_LOOP_PER_SECOND} msg/s, median`, ours: p50Ms, goal: "-", reached: true },
    {
      ...latency,
      what: `publish → PUBACK at ${OPEN_LOOP_PER_SECOND} msg/s, 99 of 100`,
      ours: p99Ms,
      goal: "<= 50",
      reached: p99Ms <= 50,
    },
  ];
};
