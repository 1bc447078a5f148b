import type { Clock, Database } from "@hayloft/engine";
import { ensurePartitions, newId } from "@hayloft/engine";
import { freshPglite, type Preparation, preparedCatalog } from "@hayloft/engine/testing";
import type { SeedBarn, Topic } from "@hayloft/schema";
import { buildEnvelope, envelopeLimits, farmCatalog, farmMigrations, seedFarm, seedPlan, topicFor } from "@hayloft/schema";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import { Ingress } from "../ingress/ingress.ts";

/** What a device says, beside where it says it. */
export interface Said {
  readonly eventId?: string;
  readonly atMs?: number;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly device?: string;
}

/** A clock that stands until it is moved. */
export class SettableClock implements Clock {
  #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

/** The time at which test clocks start: noon of the second day of a month, so that late readings belong to the month before. */
const NOON_MS = Date.UTC(2026, 4, 2, 12);

const DAY_MS = 86_400_000;

/** The farm's schema with one farm of two barns, as if it had come from the hub. */
const preparedBarns = (): Preparation => {
  const empty = preparedCatalog(farmCatalog, "edge", { migrations: farmMigrations });
  return {
    key: `${empty.key} barns`,
    prepare: async (database) => {
      await empty.prepare(database);
      await fillBarns(database, NOON_MS);
    },
  };
};

/** Stores one farm of two barns, as if it had come from the hub, and makes partitions for readings of the last hundred days. */
export async function fillBarns(database: Database, nowMs: number): Promise<void> {
  await seedFarm(database, { captured: false });
  await database.transaction((tx) => ensurePartitions(tx, farmCatalog, nowMs - 100 * DAY_MS, nowMs + 2 * DAY_MS));
}

/** The tenant and barns that `fillBarns` stores. */
function filledBarns(): { readonly tenant: string; readonly barns: readonly [SeedBarn, SeedBarn] } {
  const [tenant] = seedPlan().tenants;
  const [first, second] = tenant?.farms[0]?.barns ?? [];
  if (tenant === undefined || first === undefined || second === undefined) throw new Error("the seed plan has no two barns");
  return { tenant: tenant.tenant_id, barns: [first, second] };
}

/** A barn's ingress on a database of its own, without a broker. */
export class BarnFixture {
  readonly database: Database;
  readonly tenant: string;
  readonly barn: SeedBarn;
  readonly otherBarn: SeedBarn;
  readonly clock: SettableClock;
  readonly ingress: Ingress;

  private constructor(database: Database, tenant: string, barns: readonly [SeedBarn, SeedBarn], clock: SettableClock) {
    this.database = database;
    this.tenant = tenant;
    [this.barn, this.otherBarn] = barns;
    this.clock = clock;
    this.ingress = new Ingress({
      database,
      tenant,
      clock,
      settings: {
        dedupeTtlMs: 72 * 3_600_000,
        envelope: { ...envelopeLimits, ageMsMax: 96 * 3_600_000 },
        batchMessagesMax: 500,
        batchBytesMax: 1_048_576,
        batchDelayMs: 1,
        pendingMessagesMax: 20_000,
      },
      onVerdict: () => undefined,
      onFailure: () => undefined,
      onRecovery: () => undefined,
    });
  }

  static async open(): Promise<BarnFixture> {
    const database = await freshPglite(preparedBarns());
    const { tenant, barns } = filledBarns();
    return new BarnFixture(database, tenant, barns, new SettableClock(NOON_MS));
  }

  async close(): Promise<void> {
    await this.ingress.close();
    await this.database.close();
  }

  get sensor(): string {
    return this.barn.sensor_device_ids[0] ?? "";
  }

  /** A message of a sensor of the first barn. */
  telemetry(metric: string, value: number, said: Said = {}): MqttMessage {
    return this.message({ kind: "telemetry", device_id: said.device ?? this.sensor, metric }, { ...said, payload: { value } });
  }

  /** A message of the first barn's weigh station. */
  weigh(session: string, type: string, said: Said = {}): MqttMessage {
    const topic = {
      kind: "weighvision",
      station_id: this.barn.station_id,
      session_id: session,
      event_type: `weighvision.${type}`,
    } as const;
    return this.message(topic, { device: this.barn.weigh_device_id, ...said });
  }

  status(said: Said = {}): MqttMessage {
    return this.message({ kind: "status", device_id: said.device ?? this.sensor }, said);
  }

  message(topic: OwnTopic, said: Said): MqttMessage {
    return messageOf(this.barn, topic, said, this.clock.nowMs());
  }

  /** Rows of a query, for comparing. */
  async rows<Row = Record<string, unknown>>(sql: string, parameters: readonly (string | number)[] = []): Promise<readonly Row[]> {
    return (await this.database.query<Row>(sql, parameters)).rows;
  }

  /** Takes messages in at once and tells what became of each. */
  async take(...messages: readonly MqttMessage[]): Promise<readonly boolean[]> {
    const results = await Promise.all(messages.map((message) => this.ingress.take(message)));
    return results.map(({ accepted }) => accepted);
  }

  /** The reasons of refused messages, sorted. */
  async refusals(): Promise<readonly string[]> {
    return (await this.rows<{ reason: string }>("select reason from ingress_refused order by reason")).map((row) => row.reason);
  }
}

type Without<Of, Keys extends string> = Of extends unknown ? Omit<Of, Keys> : never;
/** A topic without the place, which is a barn's. */
export type OwnTopic = Without<Topic, "tenant_id" | "farm_id" | "barn_id">;

/** A valid message from a barn. */
export function messageOf(barn: SeedBarn, own: OwnTopic, said: Said, nowMs: number): MqttMessage {
  const place = { tenant_id: barn.tenant_id, farm_id: barn.farm_id, barn_id: barn.barn_id };
  const topic = { ...own, ...place } as Topic;
  const payload = buildEnvelope(topic, {
    event_id: said.eventId ?? newId(),
    trace_id: newId(),
    ts: new Date(said.atMs ?? nowMs),
    payload: said.payload ?? {},
    ...(said.device === undefined ? {} : { device_id: said.device }),
  });
  return { topic: topicFor(topic), payload, lastWill: false };
}
