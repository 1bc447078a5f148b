import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fillBarns, messageOf } from "../testing/barn-fixture.ts";
import {
  connectDevice,
  countRows,
  firstBarn,
  publish,
  standaloneConfig,
  startStandalone,
  temporaryDirectory,
  until,
} from "../testing/edge-fixture.ts";
import type { Edge } from "./start-edge.ts";
import { startEdge } from "./start-edge.ts";

/** Opening a database takes seconds, and several times that on a busy machine. */
const LIMIT_MS = 300_000;
vi.setConfig({ testTimeout: LIMIT_MS, hookTimeout: LIMIT_MS });

const barn = firstBarn();
const sensor = barn.sensor_device_ids[0] ?? "";
const reading = (metric: string, value: number, eventId = newId()) =>
  messageOf(barn, { kind: "telemetry", device_id: sensor, metric }, { eventId, payload: { value } }, Date.now());
const weigh = (session: string, type: string, payload: Readonly<Record<string, unknown>> = {}) =>
  messageOf(
    barn,
    { kind: "weighvision", station_id: barn.station_id, session_id: session, event_type: `weighvision.${type}` },
    { device: barn.weigh_device_id, payload },
    Date.now(),
  );

const answer = async (
  edge: Edge,
  path: string,
  init: RequestInit = {},
): Promise<{ readonly status: number; readonly text: string }> => {
  const response = await fetch(`${edge.httpUrl}${path}`, init);
  return { status: response.status, text: await response.text() };
};

describe("a barn day without a hub", () => {
  let edge: Edge;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const directory = await temporaryDirectory();
    remove = () => directory.remove();
    edge = await startStandalone(standaloneConfig(directory.path));
  });
  afterAll(async () => {
    await edge.stop();
    await remove();
  });

  it("S1.2 takes telemetry, a session with two images, inference, feed and mortality, and answers queries", async () => {
    const device = await connectDevice(edge.mqttUrl, "gateway-1");
    const images = [newId(), newId()];
    const day = [
      ...Array.from({ length: 60 }, (_, index) => reading("temperature", 24 + (index % 3))),
      weigh("day-1", "session.created", { batch_id: barn.batch_id }),
      ...images.map((media_id) => weigh("day-1", "image.captured", { media_id })),
      weigh("day-1", "weight.recorded", { weight_kg: 1.93 }),
      weigh("day-1", "inference.completed", {
        media_id: images[0],
        model_version: "v1",
        predicted_weight_kg: 1.9,
        confidence: 0.9,
      }),
      weigh("day-1", "session.finalized", { image_count: 2 }),
      messageOf(
        barn,
        { kind: "event", device_id: barn.feeder_device_id, event_type: "feed.dispensed" },
        { payload: { quantity_kg: 40 } },
        Date.now(),
      ),
      messageOf(
        barn,
        { kind: "status", device_id: sensor },
        { payload: { status: "online", firmware_version: "3.1" } },
        Date.now(),
      ),
    ];
    await Promise.all(day.map((message) => publish(device, message)));
    await device.endAsync();
    await edge.replica.write(async (db) => {
      await db
        .insertInto("barn_mortality_event")
        .values({
          tenant_id: barn.tenant_id,
          id: newId(),
          farm_id: barn.farm_id,
          barn_id: barn.barn_id,
          batch_id: barn.batch_id,
          occurred_at: new Date(),
          animal_count: 3,
        })
        .execute();
    });
    await until("the aggregates are computed", async () => (await countRows(edge, "telemetry_rollup_due")) === 0, 120_000);
    expect(await countRows(edge, "telemetry_raw")).toBe(60);
    expect(await countRows(edge, "telemetry_agg where bucket_size = '1d'")).toBeGreaterThan(0);
    expect(
      await countRows(edge, "weight_sessions where status = 'finalized' and image_count = 2 and final_weight_kg = 1.93"),
    ).toBe(1);
    expect(await countRows(edge, "inference_results")).toBe(1);
    expect(await countRows(edge, "feed_intake_record where source = 'MQTT_DISPENSED'")).toBe(1);
    expect(await countRows(edge, "barn_mortality_event")).toBe(1);
    expect(await countRows(edge, "device_last_seen where firmware_version = '3.1'")).toBe(1);
    expect(await countRows(edge, "hayloft.change where table_name = 'telemetry_agg'")).toBe(0);
  });

  it("S14.5 is alive, ready and has a status page, metrics and state", async () => {
    expect((await answer(edge, "/api/health")).status).toBe(200);
    expect((await answer(edge, "/api/ready")).status).toBe(200);
    const page = await answer(edge, "/");
    expect(page.text).toContain("Oldest unsent change");
    expect(page.text).not.toMatch(/<(script|link|img)\b/);
    const metrics = await answer(edge, "/metrics");
    for (const name of [
      "sync_unacked_changes",
      "sync_oldest_unacked_age_seconds",
      "sync_connected",
      "sync_quarantined_changes",
      "db_size_bytes",
    ]) {
      expect(metrics.text).toContain(`\n${name} `);
    }
    expect(metrics.text).toMatch(/ingress_messages_total\{outcome="stored"\} \d+/);
    expect(JSON.parse((await answer(edge, "/api/v1/sync/state")).text)).toMatchObject({
      mode: "standalone",
      durability: "D2",
      quarantined: 0,
    });
    expect(JSON.parse((await answer(edge, "/api/v1/sync/quarantine")).text)).toEqual({ items: [] });
    expect((await answer(edge, "/api/v1/sync/quarantine?limit=0")).status).toBe(400);
    expect((await answer(edge, "/nothing")).status).toBe(404);
    expect((await answer(edge, "/api/health", { method: "POST" })).status).toBe(405);
    expect((await answer(edge, "/%")).status).toBe(400);
  });

  it("F-D2 looks after its own tables, as a server does", async () => {
    // The migrations have just written the catalog's tables.
    await until(
      "a table is vacuumed",
      async () => (await countRows(edge, "pg_stat_all_tables where last_vacuum is not null")) > 0,
    );
    const { jobs } = await edge.monitor.status();
    expect(jobs.find(({ name }) => name === "vacuum")).toMatchObject({ failures: 0, lastError: null });
  });

  it("refuses requests that change something while no admin token is set", async () => {
    expect((await answer(edge, `/api/v1/ingress/blocks/device/${sensor}`, { method: "POST" })).status).toBe(403);
    expect((await answer(edge, "/api/v1/sync/quarantine/x/1")).status).toBe(403);
  });

  it("never shows a refused message's payload, in the list or in the log", async () => {
    const device = await connectDevice(edge.mqttUrl, "gateway-2");
    const marked = reading("temperature", 1);
    const text = Buffer.from(marked.payload).toString().replace('"value":1', '"value":"secret-marker"');
    await publish(device, { ...marked, payload: Buffer.from(text) });
    await device.endAsync();
    const list = await answer(edge, "/api/v1/ingress/refused");
    expect(list.text).toContain("payload-invalid");
    expect(list.text).not.toContain("secret-marker");
    const { rows } = await edge.replica.database.query("select * from ingress_refused");
    expect(JSON.stringify(rows)).not.toContain("secret-marker");
  });
});

describe("starting and stopping", () => {
  it("keeps what it acknowledged over a stop and a start, and a second start of the directory is refused", async () => {
    const directory = await temporaryDirectory();
    const config = standaloneConfig(directory.path);
    const first = await startStandalone(config);
    const device = await connectDevice(first.mqttUrl, "gateway-3");
    await publish(device, reading("temperature", 21));
    await device.endAsync();
    await expect(startEdge(config)).rejects.toMatchObject({ code: "store-locked" });
    await first.stop();
    await first.stop();
    const second = await startEdge(config);
    expect(second.identity.nodeId).toBe(first.identity.nodeId);
    expect(await countRows(second, "telemetry_raw")).toBe(1);
    await second.stop();
    await directory.remove();
  });

  it("does not acknowledge before it knows its tenant's master data", async () => {
    const directory = await temporaryDirectory();
    const edge = await startEdge(standaloneConfig(directory.path));
    const device = await connectDevice(edge.mqttUrl, "early");
    let acknowledged = false;
    const sent = publish(device, reading("temperature", 20)).then(() => {
      acknowledged = true;
    });
    await until("the message was tried", () => edge.monitor.status().then((status) => status.ingress.failed > 1));
    expect(acknowledged).toBe(false);
    await fillBarns(edge.replica.database, Date.now());
    await sent;
    expect(await countRows(edge, "telemetry_raw")).toBe(1);
    await device.endAsync();
    await edge.stop();
    await directory.remove();
  });

  it("S14.5 is not ready, and says why within 2 s, when the database is gone", async () => {
    const directory = await temporaryDirectory();
    const edge = await startStandalone(standaloneConfig(directory.path));
    await edge.replica.database.close();
    const startedMs = performance.now();
    const { status, text } = await answer(edge, "/api/ready");
    expect(status).toBe(503);
    expect(performance.now() - startedMs).toBeLessThan(2000);
    expect(JSON.parse(text)).toMatchObject({ ready: false, problems: [{ part: "database", problem: "store-closed" }] });
    await edge.stop();
    await directory.remove();
  });

  it("does not start when a port is taken, and leaves nothing open", async () => {
    const [one, two] = [await temporaryDirectory(), await temporaryDirectory()];
    const first = await startEdge(standaloneConfig(one.path));
    const port = Number(new URL(first.httpUrl).port);
    await expect(startEdge(standaloneConfig(two.path, { "http.port": port }))).rejects.toMatchObject({ code: "config-invalid" });
    const second = await startEdge(standaloneConfig(two.path));
    await second.stop();
    await first.stop();
    await Promise.all([one.remove(), two.remove()]);
  });
});
