import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { digestTables } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { farmCatalog } from "@hayloft/schema";
import { BarnVoice } from "../e2e/barn-messages.ts";
import { DeviceLoad } from "../e2e/kills/kill-load.ts";
import { layGround, type ServiceGround } from "../e2e/service-ground.ts";
import { edgeProgram, hubProgram, takenByHub } from "../e2e/service-programs.ts";
import { until } from "../e2e/until.ts";
import type { Figure } from "./measure.ts";
import { ServiceProcess } from "./service-process.ts";
import { INSERT_SQL, rowCount, sliceRows, telemetryRows } from "./telemetry-rows.ts";

/** Rows of the outage for each row of F3. */
const SCALE = 12;
const COMMIT_ROWS = 500;
const SAMPLE_MS = 50;
const DRAIN_MS_MAX = 3_600_000;
/** What four barns measure while the backlog goes up, and many times that. */
const LIVE_PER_SECOND = 20;
const [EDGE_MIB_MAX, HUB_MIB_MAX] = [1_024, 512];

/** When the hub had how much of the backlog. */
interface Sample {
  readonly atMs: number;
  readonly share: number;
}

interface Drain {
  readonly perSecond: number;
  readonly firstQuarter: number;
  readonly lastQuarter: number;
  readonly edgeMiB: number;
  readonly hubMiB: number;
}

/** Lets a new edge take its master data, then writes the backlog while it is alone; returns its log's end. */
async function writeOffline(ground: ServiceGround, count: number): Promise<number> {
  const { args, httpUrl } = await edgeProgram(ground, "info");
  const edge = await ServiceProcess.start(args, "edge-started");
  await until("the edge has its master data", async () => {
    const response = await fetch(`${httpUrl}/api/v1/sync/state`);
    const { filling, peers } = (await response.json()) as {
      readonly filling: boolean;
      readonly peers: readonly { readonly connected: boolean }[];
    };
    return !filling && peers.some(({ connected }) => connected);
  });
  await edge.end();
  const { tenant, farm, barns } = ground.plan;
  const days = Math.max(1, count / 172_800);
  const source = { tenant, farm, barns: barns.map(({ barn }) => barn), startMs: Date.now() - days * 86_400_000 };
  const rows = telemetryRows(source, count);
  const database = await openPgliteDatabase({ dataDir: join(ground.edgeDir, "database") });
  try {
    for (let from = 0; from < rowCount(rows); from += COMMIT_ROWS)
      await database.query(INSERT_SQL, sliceRows(rows, from, from + COMMIT_ROWS));
    const { rows: heads } = await database.query<{ position: number }>("select position from hayloft.head where tenant_id = $1", [
      tenant,
    ]);
    return heads[0]?.position ?? 0;
  } finally {
    await database.close();
  }
}

/** Samples until the hub has all of the backlog; the first is the last one before something came. */
async function watch(ground: ServiceGround, before: number, end: number): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const giveUpAtMs = performance.now() + DRAIN_MS_MAX;
  for (;;) {
    const share = Math.min(1, ((await takenByHub(ground)) - before) / (end - before));
    const sample = { atMs: performance.now(), share };
    if (share <= 0) samples.length = 0;
    samples.push(sample);
    if (share >= 1) return samples;
    if (sample.atMs > giveUpAtMs) throw new Error(`not drained within ${String(DRAIN_MS_MAX)} ms`);
    await setTimeout(SAMPLE_MS);
  }
}

/** Rows a second between two shares of the backlog. */
function speedBetween(samples: readonly Sample[], count: number, from: number, to: number): number {
  const reached = (share: number): Sample => samples.find((sample) => sample.share >= share) ?? { atMs: 0, share: 0 };
  const [first, last] = [reached(from), reached(to)];
  return ((last.share - first.share) * count) / ((last.atMs - first.atMs) / 1_000);
}

async function assertEqual(ground: ServiceGround, edgeUrl: string): Promise<void> {
  await until(
    "both hold the same rows",
    async () => {
      const response = await fetch(`${edgeUrl}/api/v1/sync/digest`);
      const { tables } = (await response.json()) as { readonly tables: readonly { table: string; digest: string }[] };
      const [hub] = await digestTables(ground.database, farmCatalog, ground.plan.tenant, ["telemetry_raw"]);
      return tables.some(({ table, digest }) => table === "telemetry_raw" && digest === hub?.digest);
    },
    600_000,
  );
}

/** A backlog that was written offline goes up from the daemon to a hub, each in a process of its own. */
async function drain(count: number, livePerSecond: number): Promise<Drain> {
  const { ground, end } = await layGround(4);
  try {
    const hub = await ServiceProcess.start(await hubProgram(ground), "ready\n");
    const head = await writeOffline(ground, count);
    const before = await takenByHub(ground);
    const { args, httpUrl, mqttUrl } = await edgeProgram(ground, "info");
    const watching = watch(ground, before, head);
    const edge = await ServiceProcess.start(args, "edge-started");
    const load = livePerSecond === 0 ? null : new DeviceLoad(mqttUrl, new BarnVoice(ground.plan), livePerSecond);
    const samples = await watching;
    await load?.end();
    await assertEqual(ground, httpUrl);
    const memory = { edgeMiB: edge.memoryMiB, hubMiB: hub.memoryMiB };
    await edge.end();
    await hub.end();
    const speed = (from: number, to: number): number => speedBetween(samples, count, from, to);
    return { perSecond: speed(0, 1), firstQuarter: speed(0, 0.25), lastQuarter: speed(0.75, 1), ...memory };
  } finally {
    await end();
  }
}

/** F4: a long outage, against the same parts with as many rows as F3 has, in the same run. */
export const drainOutage = async (rows: number): Promise<readonly Figure[]> => {
  const short = await drain(rows, 0);
  const long = await drain(rows * SCALE, LIVE_PER_SECOND);
  const base = { id: "F4", runs: 1 };
  const speeds = { ...base, unit: "rows/s", goal: ">= 0.90" };
  const speed = (what: string, floor: number, ours: number): Figure => {
    const ratio = ours / floor;
    return { ...speeds, what, floor, ours, ratio, reached: ratio >= 0.9 };
  };
  const memory = (what: string, ours: number, max: number): Figure => {
    const ratio = ours / max;
    return { ...base, what, unit: "MiB", floor: null, ours, ratio, goal: `<= ${String(max)}`, reached: ours <= max };
  };
  const [few, many] = [rows, rows * SCALE].map((count) => count.toLocaleString("en-US"));
  return [
    speed(`drain of ${many} rows of an outage while new rows arrive, against ${few} rows`, short.perSecond, long.perSecond),
    speed("the last quarter of it, against the first", long.firstQuarter, long.lastQuarter),
    memory("the most memory of the edge meanwhile", long.edgeMiB, EDGE_MIB_MAX),
    memory("the most memory of the hub meanwhile", long.hubMiB, HUB_MIB_MAX),
  ];
};
