import { join } from "node:path";
import { createToken, type Hub, startHub } from "@hayloft/cloud-hub";
import { planFarm, type SimulatedFarm, startSimulatedFarm } from "@hayloft/device-simulator";
import { type Database, digestTables } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { EdgeProcess } from "./edge-process.ts";
import { freePort } from "./free-port.ts";
import { LinkGate } from "./link-gate.ts";
import { type Gauge, LiveView } from "./live-view.ts";
import { enterFarm } from "./master-data.ts";
import { type Proof, prove } from "./proof.ts";
import { until } from "./until.ts";

export interface FarmDemoOptions {
  readonly dir: string;
  readonly barns: number;
  /** How long each quiet stretch of the story lasts. */
  readonly stretchMs: number;
  readonly readingEveryMs: number;
}

export interface FarmDemoResult {
  readonly proof: Proof;
  readonly renameSeenMs: number;
  readonly backlogRowsMost: number;
  readonly drainedRowsPerSecond: number;
  readonly bytesUp: number;
}

const FARM = planFarm("t-demo", "f-north", 4, 6);
const tenant = FARM.tenant;

/** The story of a farm that loses its link and its power, on real parts. Each method is one stage. */
export class FarmDemo {
  readonly #options: FarmDemoOptions;
  readonly #view = new LiveView();
  readonly #plan;
  #hub: Hub | null = null;
  #gate: LinkGate | null = null;
  #edge: EdgeProcess | null = null;
  #farm: SimulatedFarm | null = null;
  #gauges: NodeJS.Timeout | null = null;
  #backlogRowsMost = 0;
  #drainedRowsPerSecond = 0;
  #renameSeenMs = 0;

  constructor(options: FarmDemoOptions) {
    this.#options = options;
    this.#plan = { ...FARM, barns: FARM.barns.slice(0, options.barns) };
  }

  get addresses(): { readonly hub: string; readonly edge: string; readonly mqtt: string; readonly database: string } {
    const { hub, edge } = this.#parts();
    return { hub: hub.httpUrl, edge: edge.httpUrl, mqtt: edge.mqttUrl, database: hub.databaseUrl };
  }

  async run(): Promise<FarmDemoResult> {
    const stage = (title: string, work: () => Promise<string>): Promise<void> => this.#view.stage(title, work);
    await stage("Start the hub on a new Postgres", () => this.#startHub());
    await stage(`Enter a farm of ${this.#plan.barns.length} barns at the hub, by SQL`, () => this.#enterFarm());
    await stage("Enrol a barn box and start its edge node", () => this.#startEdge());
    await stage("Master data arrive in the barn", () => this.#masterDataArrive());
    await stage("Devices speak; rows flow up", () => this.#flow());
    await stage("Rename a barn at the hub with SQL", () => this.#rename());
    await stage("Cut the link; the barn works on", () => this.#offline());
    await stage("Kill the edge with SIGKILL, start it again", () => this.#kill());
    await stage("The link returns; the backlog drains", () => this.#drain());
    await stage("Devices fall silent; everything settles", () => this.#settle());
    let proof: Proof | null = null;
    await stage("Prove that both databases hold equal rows", async () => {
      proof = await this.#prove();
      return `${proof.tablesCompared} tables, ${proof.rowsCompared} rows, digests equal`;
    });
    this.#stopGauges();
    this.#view.end();
    if (proof === null) throw new Error("the proof did not run");
    return {
      proof,
      renameSeenMs: this.#renameSeenMs,
      backlogRowsMost: this.#backlogRowsMost,
      drainedRowsPerSecond: this.#drainedRowsPerSecond,
      bytesUp: this.#parts().gate.bytes.up,
    };
  }

  /** Lets the devices speak again at the field's pace, for play. */
  resume(): void {
    this.#farm = this.#simulate(10_000, 30_000);
  }

  /** Ends every part that was started, in the order of the flow. */
  async close(): Promise<void> {
    this.#stopGauges();
    this.#view.end();
    await this.#farm?.stop(1_000);
    await this.#edge?.stop();
    await this.#gate?.close();
    await this.#hub?.stop();
  }

  async #startHub(): Promise<string> {
    this.#gate = await LinkGate.listen();
    this.#hub = await startHub({
      data_dir: join(this.#options.dir, "hub"),
      "http.port": 0,
      "http.public_url": this.#gate.url,
      "log.level": "silent",
    });
    this.#gate.open(Number(new URL(this.#hub.httpUrl).port));
    return this.#hub.httpUrl;
  }

  async #enterFarm(): Promise<string> {
    await enterFarm(this.#database(), this.#plan);
    const { rows } = await this.#database().query<{ readonly count: number }>(
      "select count(*) from device_allowlist where tenant_id = $1",
      [tenant],
    );
    return `${rows[0]?.count ?? 0} devices may speak`;
  }

  async #startEdge(): Promise<string> {
    const gate = this.#gate;
    if (gate === null) throw new Error("the gate is opened first");
    const token = await createToken(
      this.#database(),
      { tenant, farms: [this.#plan.farm], tier: "edge", role: "device_agent", ttlMs: 600_000 },
      Date.now(),
    );
    this.#edge = new EdgeProcess({
      dataDir: join(this.#options.dir, "edge"),
      hubUrl: gate.url,
      mqttPort: await freePort(),
      httpPort: await freePort(),
    });
    await this.#edge.enrol(token.token);
    await this.#edge.start();
    this.#gauges = setInterval(() => void this.#showGauges(), 250);
    return this.#edge.mqttUrl;
  }

  async #masterDataArrive(): Promise<string> {
    const { edge } = this.#parts();
    await until("the barn holds the hub's barns", 30_000, async () => {
      const barns = (await edge.digests()).find(({ table }) => table === "barns");
      return barns?.rows === this.#plan.barns.length && (await edge.status())?.filling === false;
    });
    return "barns, devices and allowlists are there";
  }

  async #flow(): Promise<string> {
    this.#farm = this.#simulate(this.#options.readingEveryMs, 4_000);
    await pause(this.#options.stretchMs);
    const rows = await this.#rowsAtHub();
    if (rows === 0) throw new Error("no reading arrived at the hub");
    return `${rows} readings at the hub, ${await this.#count("weight_sessions")} weigh sessions`;
  }

  async #rename(): Promise<string> {
    const { edge } = this.#parts();
    const barn = this.#plan.barns[0]?.barn ?? "";
    const startedMs = performance.now();
    await this.#database().query("update barns set name = 'Barn with the new roof' where tenant_id = $1 and id = $2", [
      tenant,
      barn,
    ]);
    const hub = await this.#hubDigest("barns");
    await until(
      "the new name is in the barn",
      10_000,
      async () => (await edge.digests()).find(({ table }) => table === "barns")?.digest === hub,
      20,
    );
    this.#renameSeenMs = performance.now() - startedMs;
    return `seen on the edge after ${Math.round(this.#renameSeenMs)} ms`;
  }

  async #offline(): Promise<string> {
    const { gate, edge } = this.#parts();
    gate.cut();
    const rowsBefore = await this.#rowsAtRest();
    await this.#database().query("update barns set name = 'Renamed while the link was down' where tenant_id = $1 and id = $2", [
      tenant,
      this.#plan.barns[1]?.barn ?? "",
    ]);
    await pause(this.#options.stretchMs);
    const backlog = (await edge.status())?.backlog;
    if (backlog === undefined || backlog.rows === 0) throw new Error("the barn did not collect a backlog");
    if ((await this.#rowsAtHub()) !== rowsBefore) throw new Error("rows came through a link that is cut");
    return `${backlog.rows} rows wait, the oldest for ${(backlog.oldestAgeMs / 1_000).toFixed(1)} s`;
  }

  async #kill(): Promise<string> {
    const { edge } = this.#parts();
    const killed = edge.pid;
    await edge.kill();
    const startedMs = Date.now();
    await pause(1_000);
    await edge.start();
    const backlog = (await edge.status())?.backlog;
    return `process ${killed} died, ready again after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s with ${backlog?.rows ?? 0} rows waiting`;
  }

  async #drain(): Promise<string> {
    const { gate, edge } = this.#parts();
    const waiting = (await edge.status())?.backlog.rows ?? 0;
    const rowsBefore = await this.#rowsAtHub();
    gate.open();
    const startedMs = performance.now();
    await until("the backlog is drained", 120_000, async () => {
      const backlog = (await edge.status())?.backlog;
      return backlog !== undefined && backlog.oldestAgeMs < 2_000 && backlog.rows < 1_000;
    });
    const elapsedSeconds = (performance.now() - startedMs) / 1_000;
    const moved = (await this.#rowsAtHub()) - rowsBefore;
    this.#drainedRowsPerSecond = Math.round(moved / elapsedSeconds);
    return `${waiting} rows waited; ${moved} readings moved in ${elapsedSeconds.toFixed(1)} s`;
  }

  async #settle(): Promise<string> {
    const { edge } = this.#parts();
    const left = (await this.#farm?.stop(60_000)) ?? 0;
    if (left > 0) throw new Error(`${left} messages could not be sent by the devices`);
    await until("nothing waits for the hub", 60_000, async () => (await edge.status())?.backlog.commits === 0);
    const made = this.#farm?.ledger.summary();
    return `${made?.acknowledged ?? 0} messages acknowledged to devices`;
  }

  async #prove(): Promise<Proof> {
    const { edge } = this.#parts();
    if (this.#farm === null) throw new Error("the devices were not started");
    const proof = await prove(this.#database(), edge, tenant, this.#farm.ledger);
    if (proof.different.length > 0) throw new Error(`tables differ: ${proof.different.join(", ")}`);
    if (proof.lost > 0 || proof.doubled > 0) throw new Error(`${proof.lost} lost, ${proof.doubled} doubled`);
    return proof;
  }

  #simulate(readingEveryMs: number, sessionEveryMs: number): SimulatedFarm {
    return startSimulatedFarm({
      plan: this.#plan,
      broker: { url: this.#parts().edge.mqttUrl },
      readingEveryMs,
      sessionEveryMs,
      statusEveryMs: 5_000,
      replayPerSecond: { sensor: 500, station: 500 },
      faults: { duplicate: 0.02, malformed: 0.005, late: 0.02, lateMsMax: 1_800_000, dropPerMinute: 0, delayMsMax: 500 },
    });
  }

  async #showGauges(): Promise<void> {
    const status = await this.#edge?.status();
    const made = this.#farm?.ledger.summary();
    const backlog = status?.backlog;
    if (backlog !== undefined) this.#backlogRowsMost = Math.max(this.#backlogRowsMost, backlog.rows);
    const gauges: Gauge[] = [
      {
        label: "edge",
        text: status === null || status === undefined ? "down" : (status.peers[0]?.state ?? "no hub"),
        share: null,
      },
      { label: "link", text: this.#gate?.isOpen === true ? "up" : "CUT", share: null },
      {
        label: "messages acknowledged",
        text: `${made?.acknowledged ?? 0} of ${made?.made ?? 0}`,
        share: made === undefined ? null : made.acknowledged / Math.max(1, made.made),
      },
      {
        label: "waiting for the hub",
        text: `${backlog?.rows ?? 0} rows`,
        share: this.#backlogRowsMost === 0 ? null : 1 - (backlog?.rows ?? 0) / this.#backlogRowsMost,
      },
      { label: "age of the oldest", text: `${((backlog?.oldestAgeMs ?? 0) / 1_000).toFixed(1)} s`, share: null },
    ];
    this.#view.show(gauges);
  }

  #stopGauges(): void {
    if (this.#gauges !== null) clearInterval(this.#gauges);
    this.#gauges = null;
  }

  #parts(): { readonly hub: Hub; readonly edge: EdgeProcess; readonly gate: LinkGate } {
    if (this.#hub === null || this.#edge === null || this.#gate === null) throw new Error("the parts are started first");
    return { hub: this.#hub, edge: this.#edge, gate: this.#gate };
  }

  #database(): Database {
    if (this.#hub === null) throw new Error("the hub is started first");
    return this.#hub.database;
  }

  async #hubDigest(table: string): Promise<string | undefined> {
    return (await digestTables(this.#database(), farmCatalog, tenant, [table]))[0]?.digest;
  }

  /** The hub's rows once what it had received before the cut is applied. */
  async #rowsAtRest(): Promise<number> {
    const { hub } = this.#parts();
    let before = -1;
    let stillTimes = 0;
    await until(
      "the hub has applied what it had received",
      60_000,
      async () => {
        const now = await this.#rowsAtHub();
        // On a busy machine one batch may take seconds to apply, after the session that brought it has ended.
        stillTimes = now === before && hub.replica.children().length === 0 ? stillTimes + 1 : 0;
        before = now;
        return stillTimes === 4;
      },
      500,
    );
    return before;
  }

  async #rowsAtHub(): Promise<number> {
    return await this.#count("telemetry_raw");
  }

  async #count(table: "telemetry_raw" | "weight_sessions"): Promise<number> {
    const { rows } = await this.#database().query<{ readonly count: number }>(
      `select count(*) from ${table} where tenant_id = $1`,
      [tenant],
    );
    return rows[0]?.count ?? 0;
  }
}

const pause = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};
