import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { newId } from "@hayloft/engine";
import type { Topic } from "@hayloft/schema";
import { DeviceLedger } from "./device-ledger.ts";
import { type BrokerAccess, DeviceLink } from "./device-link.ts";
import { type Faults, noFaults } from "./faults.ts";
import type { BarnPlan, FarmPlan } from "./farm-plan.ts";
import { noisePicture } from "./noise-picture.ts";
import { type BufferLimits, OfflineBuffer, telemetryLimits, weighLimits } from "./offline-buffer.ts";
import { chance, type Random, seededRandom } from "./random.ts";
import { ammonia, birdWeightKg, humidity, type Signal, Silo, temperature } from "./signals.ts";
import { uploadImage } from "./upload-image.ts";
import { type SessionStep, weighSession } from "./weigh-session.ts";

export interface SimulatedFarmOptions {
  readonly plan: FarmPlan;
  readonly broker: BrokerAccess;
  readonly seed?: number;
  readonly faults?: Faults;
  /** Where the devices keep their buffers; null keeps them in memory. */
  readonly bufferDir?: string | null;
  /** Between two rounds of readings of one gateway. The field's value is 60,000. */
  readonly readingEveryMs?: number;
  /** Between two weigh sessions of one station. */
  readonly sessionEveryMs?: number;
  readonly statusEveryMs?: number;
  /** Replay of what waited; by default the domain's 5 a second for sensors and 20 for stations. */
  readonly replayPerSecond?: { readonly sensor: number; readonly station: number };
  /** Age of the birds, for the weights. */
  readonly ageDays?: number;
  /** Where stations bring the bytes of their images before they announce them; without it they only announce. */
  readonly mediaUrl?: string;
}

export interface SimulatedFarm {
  readonly ledger: DeviceLedger;
  /** Messages that wait on devices for the broker. */
  buffered(): number;
  /** Devices with a connection, of all devices. */
  connected(): { readonly up: number; readonly all: number };
  /** Stops making messages, sends what waits (at most `flushMs`), disconnects; returns what could not be sent. */
  stop(flushMs?: number): Promise<number>;
}

/** Small, so that a farm of many stations can be simulated; a real image has about 2 MB. */
const PICTURE_PX = { width: 160, height: 120 };
const SIGNALS: readonly Signal[] = [temperature, humidity, ammonia];

/** Starts the devices of a farm against a broker. Each has its own connection, buffer and random stream. */
export const startSimulatedFarm = (options: SimulatedFarmOptions): SimulatedFarm => new Farm(options);

class Farm implements SimulatedFarm {
  readonly ledger = new DeviceLedger();
  readonly #options: SimulatedFarmOptions;
  readonly #faults: Faults;
  readonly #links: { readonly link: DeviceLink; readonly buffer: OfflineBuffer }[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #pending = new Set<NodeJS.Timeout>();
  readonly #uploads = new Set<Promise<void>>();
  readonly #giveUp = new AbortController();
  #deviceCount = 0;

  constructor(options: SimulatedFarmOptions) {
    this.#options = options;
    this.#faults = options.faults ?? noFaults;
    if (options.bufferDir !== null && options.bufferDir !== undefined) mkdirSync(options.bufferDir, { recursive: true });
    for (const barn of options.plan.barns) this.#startBarn(barn);
  }

  buffered(): number {
    return this.#links.reduce((sum, { buffer }) => sum + buffer.size, 0);
  }

  connected(): { up: number; all: number } {
    return { up: this.#links.filter(({ link }) => link.connected).length, all: this.#links.length };
  }

  async stop(flushMs = 10_000): Promise<number> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const timer of this.#pending) clearTimeout(timer);
    const late = setTimeout(() => this.#giveUp.abort(), flushMs);
    await Promise.all(this.#uploads);
    clearTimeout(late);
    const left = await Promise.all(this.#links.map(({ link }) => link.flush(flushMs)));
    await Promise.all(this.#links.map(({ link }) => link.close()));
    return left.reduce((sum, count) => sum + count, 0);
  }

  #startBarn(plan: BarnPlan): void {
    for (const gateway of plan.gateways) this.#startGateway(plan, gateway);
    for (const { station, device } of plan.stations) this.#startStation(plan, station, device);
    if (plan.siloScale !== null) this.#startSilo(plan, plan.siloScale);
    if (plan.dispenser !== null) this.#startDispenser(plan, plan.dispenser);
  }

  #place(plan: BarnPlan) {
    return { tenant_id: this.#options.plan.tenant, farm_id: this.#options.plan.farm, barn_id: plan.barn };
  }

  #open(plan: BarnPlan, device: string, kind: "sensor" | "station"): { link: DeviceLink; random: Random } {
    this.#deviceCount += 1;
    const random = seededRandom((this.#options.seed ?? 1) * 7_919 + this.#deviceCount);
    const limits: BufferLimits = kind === "sensor" ? telemetryLimits : weighLimits;
    const dir = this.#options.bufferDir ?? null;
    const buffer = new OfflineBuffer(dir === null ? null : join(dir, `${device}.jsonl`), limits);
    const topic: Topic = { kind: "status", ...this.#place(plan), device_id: device };
    const content = (status: "online" | "offline") => ({
      event_id: newId(),
      trace_id: newId(),
      ts: new Date(),
      payload: { status, last_seen_at: new Date().toISOString(), firmware_version: "1.4.2", signal_strength: -60 },
    });
    const replay = this.#options.replayPerSecond ?? { sensor: 5, station: 20 };
    const link = new DeviceLink({
      clientId: device,
      broker: { ...this.#options.broker, ...(this.#options.broker.passwordFile === undefined ? {} : { username: device }) },
      buffer,
      replayPerSecond: replay[kind],
      will: { topic, content: () => content("offline") },
      faults: this.#faults,
      random,
      ledger: this.ledger,
    });
    this.#links.push({ link, buffer });
    this.#every(this.#options.statusEveryMs ?? 60_000, random, () => link.publishStatus(topic, content("online")));
    return { link, random };
  }

  #startGateway(plan: BarnPlan, device: string): void {
    const { link, random } = this.#open(plan, device, "sensor");
    this.#every(this.#options.readingEveryMs ?? 60_000, random, () => {
      const trace = newId();
      for (const signal of SIGNALS) this.#reading(link, random, plan, device, trace, signal);
    });
  }

  #reading(link: DeviceLink, random: Random, plan: BarnPlan, device: string, trace: string, signal: Signal): void {
    const lateMs = chance(random, this.#faults.late) ? Math.floor(this.#faults.lateMsMax * random()) : 0;
    const atMs = Date.now() - lateMs;
    const value = Number(signal.valueAt(atMs, random).toFixed(signal.decimals));
    link.publish(
      { kind: "telemetry", ...this.#place(plan), device_id: device, metric: signal.metric },
      { event_id: newId(), trace_id: trace, ts: new Date(atMs), payload: { value, unit: signal.unit } },
    );
  }

  #startSilo(plan: BarnPlan, device: string): void {
    const { link, random } = this.#open(plan, device, "sensor");
    const silo = new Silo({ capacityKg: 8_000, kgPerHour: 90, startMs: Date.now() });
    const signal: Signal = {
      metric: "silo.weight",
      unit: "kg",
      decimals: 3,
      valueAt: (atMs, source) => silo.weightKgAt(atMs, source),
    };
    this.#every(this.#options.readingEveryMs ?? 60_000, random, () => this.#reading(link, random, plan, device, newId(), signal));
  }

  #startDispenser(plan: BarnPlan, device: string): void {
    const { link, random } = this.#open(plan, device, "sensor");
    this.#every(5 * (this.#options.readingEveryMs ?? 60_000), random, () => {
      link.publish(
        { kind: "event", ...this.#place(plan), device_id: device, event_type: "feed.dispensed" },
        {
          event_id: newId(),
          trace_id: newId(),
          ts: new Date(),
          payload: { quantity_kg: Number((8 + 4 * random()).toFixed(3)), batch_id: plan.batch },
        },
      );
    });
  }

  #startStation(plan: BarnPlan, station: string, device: string): void {
    const { link, random } = this.#open(plan, device, "station");
    let count = 0;
    this.#every(this.#options.sessionEveryMs ?? 120_000, random, () => {
      count += 1;
      const steps = weighSession({
        batch: plan.batch,
        number: count,
        startMs: Date.now(),
        weightKg: birdWeightKg(this.#options.ageDays ?? 30, random),
        random,
      });
      for (const step of steps) {
        const topic = { kind: "weighvision", ...this.#place(plan), station_id: station, session_id: step.session } as const;
        const say = (ts: Date, payload: SessionStep["payload"]): void =>
          link.publish(
            { ...topic, event_type: step.type },
            { event_id: newId(), trace_id: step.trace, device_id: device, ts, payload },
            { keep: step.keep },
          );
        this.#after(step.afterMs, () => {
          if (step.type === "weighvision.image.captured" && this.#options.mediaUrl !== undefined) {
            const bytes = noisePicture(PICTURE_PX.width, PICTURE_PX.height, random);
            this.#photograph(this.#options.mediaUrl, topic, device, bytes, step, say);
          } else say(new Date(), step.payload);
        });
      }
    });
  }

  /** Brings the bytes of an image, then announces it. */
  #photograph(
    url: string,
    topic: { readonly tenant_id: string; readonly farm_id: string; readonly barn_id: string; readonly station_id: string },
    device: string,
    bytes: Uint8Array,
    step: SessionStep,
    say: (ts: Date, payload: SessionStep["payload"]) => void,
  ): void {
    const { tenant_id, farm_id, barn_id, station_id } = topic;
    const { passwordFile } = this.#options.broker;
    const login = passwordFile === undefined ? null : { username: device, password: readFileSync(passwordFile, "utf8").trim() };
    const capturedAt = new Date();
    const image = {
      place: { tenant_id, farm_id, barn_id, device_id: device },
      station: station_id,
      session: step.session,
      role: String(step.payload["image_role"]),
      capturedAt,
      bytes,
    };
    const upload = uploadImage({ url, login }, image, this.#giveUp.signal).then((done) => {
      this.#uploads.delete(upload);
      if (done === null) return;
      this.ledger.countImage(done.mediaId);
      const { mediaId, sha256, sizeBytes } = done;
      say(capturedAt, { ...step.payload, media_id: mediaId, content_type: "image/png", size_bytes: sizeBytes, sha256 });
    });
    this.#uploads.add(upload);
  }

  #every(everyMs: number, random: Random, work: () => void): void {
    // A random phase, or all devices of the farm would speak in the same millisecond.
    this.#after(everyMs * random(), () => {
      work();
      this.#timers.push(setInterval(work, everyMs));
    });
  }

  #after(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#pending.delete(timer);
      work();
    }, delayMs);
    this.#pending.add(timer);
  }
}
