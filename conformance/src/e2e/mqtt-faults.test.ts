import { planFarm } from "@hayloft/device-simulator";
import { newId } from "@hayloft/engine";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { DeviceMessage } from "./barn-messages.ts";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { freePort } from "./child-program.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { SiteBroker } from "./site-broker.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const HOUR_MS = 3_600_000;
const plan = planFarm("t-mqtt", "f-mqtt", 2);
const stranger = planFarm("t-other", "f-other", 1);
const barn = new BarnVoice(plan);
const nextBarn = new BarnVoice(plan, 1);

let hub: TestHub;
let edge: TestEdge;
let site: SiteBroker;
/** An edge that takes its messages from the site's broker. */
let guest: TestEdge;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant: plan.tenant, farms: [plan.farm], config: { "broker.port": await freePort() } });
  site = await SiteBroker.start();
  guest = await TestEdge.start(hub, { tenant: plan.tenant, farms: [plan.farm], config: { "mqtt.url": site.url } });
});
afterAll(async () => {
  await guest.end();
  await site.end();
  await edge.end();
  await hub.end();
});

const valuesAtHub = async (eventId: string): Promise<readonly string[]> =>
  (await hub.database.query<{ value: string }>("select value from telemetry_raw where event_id = $1", [eventId])).rows.map(
    ({ value }) => value,
  );

const refusalsOf = async (at: TestEdge, eventId: string): Promise<readonly string[]> =>
  (
    await at.database.query<{ reason: string }>("select reason from ingress_refused where event_id = $1 order by reason", [
      eventId,
    ])
  ).rows.map(({ reason }) => reason);

const lastSeen = async (device: string): Promise<unknown> =>
  (await hub.database.query("select last_seen_at, status, firmware_version from device_last_seen where device_id = $1", [device]))
    .rows[0];

async function connected(to: TestEdge): Promise<void> {
  await until("messages can come in", async () => (await to.daemon.monitor.readiness()).ready);
}

async function withDevice<T>(url: string, work: (device: MqttClient) => Promise<T>): Promise<T> {
  const device = await connectDevice(url, newId());
  try {
    return await work(device);
  } finally {
    await device.endAsync(true);
  }
}

const send = async (device: MqttClient, { topic, payload }: DeviceMessage, dup: boolean): Promise<unknown> =>
  await device.publishAsync(topic, Buffer.from(payload), { qos: 1, dup });

describe("what MQTT does to messages", () => {
  it("F-H1 copies of a message, with and without DUP, on one connection and on two, at once and later, are one row at the hub", async () => {
    const message = barn.reading(21.5, { metric: "doubled" });
    const later = barn.reading(99, { metric: "doubled", eventId: message.eventId, atMs: Date.now() - HOUR_MS });
    await withDevice(edge.daemon.mqttUrl, async (first) => {
      await withDevice(edge.daemon.mqttUrl, async (second) => {
        await Promise.all([
          ...[false, true, true, false].map((dup) => send(first, message, dup)),
          ...[true, false].map((dup) => send(second, message, dup)),
        ]);
        await send(second, message, true);
        // The same event under another time: a device that stamps anew when it sends again.
        await send(first, later, true);
      });
    });
    await edge.drained();
    expect(await valuesAtHub(message.eventId)).toEqual(["21.5000"]);
    const { ingress } = await edge.daemon.monitor.status();
    expect([ingress.stored, ingress.duplicate]).toEqual([1, 7]);
  });

  it("F-H2 readings that come days late and out of order are all at the hub, each with its own time and that of its arrival", async () => {
    const nowMs = Date.now();
    const ages = [95, 1, 50, 0, 72, 24, 3].map((hours) => hours * HOUR_MS);
    const messages = ages.map((ageMs, index) => barn.reading(index, { metric: "late", atMs: nowMs - ageMs }));
    await withDevice(edge.daemon.mqttUrl, async (device) => await publish(device, ...messages));
    await edge.drained();
    const { rows } = await hub.database.query<{ value: string; occurred_at: Date; ingested_at: Date }>(
      "select value, occurred_at, ingested_at from telemetry_raw where metric = 'late' order by value",
    );
    expect(rows.map(({ value }) => Number(value))).toEqual(ages.map((_, index) => index));
    expect(rows.map(({ occurred_at }) => nowMs - occurred_at.getTime())).toEqual(ages);
    for (const { ingested_at } of rows) expect(ingested_at.getTime()).toBeGreaterThanOrEqual(nowMs - 1000);
  });

  it("F-H3 T-C19 a retained status that comes again at each connection is no news, and ancient readings are refused", async () => {
    const device = nextBarn.gateway;
    const old = nextBarn.status({ status: "offline", firmware_version: "1.0" });
    const body = JSON.parse(Buffer.from(old.payload).toString()) as Record<string, unknown>;
    const ancientMs = Date.now() - 200 * HOUR_MS;
    const retained = { ...old, payload: JSON.stringify({ ...body, ts: new Date(ancientMs).toISOString() }) };
    const reading = nextBarn.reading(1, { metric: "ancient", atMs: ancientMs });
    await connected(guest);
    await withDevice(site.url, async (gateway) => {
      for (const { topic, payload } of [retained, reading]) {
        await gateway.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: true });
      }
      await until("the ancient reading is refused", async () => (await refusalsOf(guest, reading.eventId)).length > 0);
      const fresh = nextBarn.status({ status: "online", firmware_version: "2.0" });
      await gateway.publishAsync(fresh.topic, Buffer.from(fresh.payload), { qos: 1 });
      await until(
        "the new status is stored",
        async () => (await countOf(guest.database, "device_last_seen where firmware_version = '2.0'")) === 1,
      );
    });
    const before = (await guest.daemon.monitor.status()).ingress.received;
    await guest.stop();
    await guest.start();
    await until("what is retained came again", async () => (await guest.daemon.monitor.status()).ingress.received >= 2);
    expect(before).toBeGreaterThanOrEqual(3);
    await guest.drained();
    expect(await lastSeen(device)).toMatchObject({ status: "online", firmware_version: "2.0" });
    expect(await countOf(hub.database, "telemetry_raw where metric = 'ancient'")).toBe(0);
    expect(new Set(await refusalsOf(guest, reading.eventId))).toEqual(new Set(["too-old"]));
  });

  it("F-H4 a topic of another tenant, farm, barn or device is refused with its reason, and nothing of it is at the hub", async () => {
    const other = new BarnVoice(stranger);
    const own = barn.reading(1, { metric: "stolen" });
    const segments = own.topic.split("/");
    const moved = (index: number, to: string): DeviceMessage => ({ ...own, topic: segments.with(index, to).join("/") });
    const foreign = other.reading(1, { metric: "stolen" });
    const forged = [
      foreign,
      moved(2, stranger.tenant),
      moved(3, stranger.farm),
      moved(4, nextBarn.plan.barn),
      moved(5, nextBarn.gateway),
      barn.reading(1, { metric: "stolen", device: "nobody" }),
    ];
    await withDevice(edge.daemon.mqttUrl, async (device) => await publish(device, ...forged));
    const { rows } = await edge.database.query<{ reason: string }>(
      "select reason from ingress_refused where topic like '%/stolen' order by received_at, id",
    );
    expect(rows.map(({ reason }) => reason).toSorted()).toEqual([
      "device-mismatch",
      "not-allowed",
      "tenant-mismatch",
      "tenant-mismatch",
      "wrong-place",
      "wrong-place",
    ]);
    await edge.drained();
    expect(await countOf(hub.database, "telemetry_raw where metric = 'stolen'")).toBe(0);
  });
});

describe("brokers that restart", () => {
  it("F-H5 T-C19 what a device has queued while its broker was down, and what was not acknowledged, is at the hub once", async () => {
    const device = await connectDevice(edge.daemon.mqttUrl, "patient-gateway");
    device.on("error", () => undefined);
    const messages = Array.from({ length: 40 }, (_, index) => barn.reading(index, { metric: "queued" }));
    const early = messages.slice(0, 20).map((message) => send(device, message, false));
    await edge.stop();
    const late = messages.slice(20).map((message) => send(device, message, false));
    await edge.start();
    // What was not acknowledged before the end is with the device, whose session goes on.
    await Promise.all([...early, ...late]);
    await device.endAsync();
    await edge.drained();
    expect(await countOf(hub.database, "telemetry_raw where metric = 'queued'")).toBe(40);
  });

  it("F-H5 T-C19 what waits in the site's broker for an edge that is away survives the broker's restart", async () => {
    await connected(guest);
    await guest.stop();
    const waiting = Array.from({ length: 30 }, (_, index) => barn.reading(index, { metric: "waiting" }));
    await withDevice(site.url, async (device) => await publish(device, ...waiting));
    await site.stop();
    await site.start("kept");
    await guest.start();
    await until("all came", async () => (await countOf(guest.database, "telemetry_raw where metric = 'waiting'")) === 30);
    await guest.drained();
    expect(await countOf(hub.database, "telemetry_raw where metric = 'waiting'")).toBe(30);
  });

  it("F-H5 after a broker that lost its sessions the edge subscribes again by itself", async () => {
    await connected(guest);
    await site.stop();
    await until("the loss is seen", async () => !(await guest.daemon.monitor.readiness()).ready);
    await site.start("lost");
    await connected(guest);
    const message = barn.reading(7, { metric: "after" });
    await withDevice(site.url, async (device) => await publish(device, message));
    await until("it is taken", async () => (await countOf(guest.database, "telemetry_raw where metric = 'after'")) === 1);
    await guest.drained();
    expect(await valuesAtHub(message.eventId)).toEqual(["7.0000"]);
  });
});
