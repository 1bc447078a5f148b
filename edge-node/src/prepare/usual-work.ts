import path from "node:path";
import { type Database, newId } from "@hayloft/engine";
import { buildEnvelope, type SeedBarn, seedFarm, seedPlan, topicFor } from "@hayloft/schema";
import { connectAsync, type MqttClient } from "mqtt";
import type { EdgeLog } from "../daemon/edge-log.ts";
import { startEdge } from "../daemon/start-edge.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { edgeConfigOf } from "../settings/load-edge-config.ts";

const READINGS = 600;
const READINGS_AT_ONCE = 200;
const STARTS = 3;
const quietLog: EdgeLog = { write: () => undefined };

/**
 * What a daemon does on most days, with a farm of its own in `directory`: it starts, takes readings, does its housekeeping, stops, and
 * starts again. Throws when a reading is not stored.
 */
export async function usualWork(directory: string): Promise<void> {
  const [barn] = seedPlan().tenants[0]?.farms[0]?.barns ?? [];
  if (barn === undefined) throw new Error("the seed plan has no barn");
  const config = edgeConfigOf({
    data_dir: path.join(directory, "edge"),
    mode: "standalone",
    tenant_id: barn.tenant_id,
    "broker.port": 0,
    "broker.anonymous": true,
    "http.port": 0,
    "log.level": "silent",
  });
  for (let start = 0; start < STARTS; start += 1) await liveOnce(config, barn, start === 0);
}

async function liveOnce(config: EdgeConfig, barn: SeedBarn, first: boolean): Promise<void> {
  const edge = await startEdge(config, { log: quietLog });
  try {
    const { database } = edge.replica;
    if (first) await seedFarm(database, { captured: false });
    const device = await connectAsync(edge.mqttUrl, { clientId: "prepare" });
    const before = await countReadings(database);
    for (let sent = 0; sent < READINGS; sent += READINGS_AT_ONCE) await publishReadings(device, barn);
    await device.endAsync();
    if ((await countReadings(database)) !== before + READINGS) throw new Error("readings were acknowledged and are not there");
    await edge.runJobs();
  } finally {
    await edge.stop();
  }
}

async function publishReadings(device: MqttClient, barn: SeedBarn): Promise<void> {
  const { tenant_id, farm_id, barn_id } = barn;
  const topic = {
    kind: "telemetry",
    tenant_id,
    farm_id,
    barn_id,
    device_id: barn.sensor_device_ids[0] ?? "",
    metric: "temperature",
  } as const;
  const reading = (): Uint8Array =>
    buildEnvelope(topic, { event_id: newId(), trace_id: newId(), ts: new Date(), payload: { value: 21.5 } });
  const all = Array.from(
    { length: READINGS_AT_ONCE },
    async () => await device.publishAsync(topicFor(topic), Buffer.from(reading()), { qos: 1 }),
  );
  await Promise.all(all);
}

async function countReadings(database: Database): Promise<number> {
  return (await database.query<{ n: number }>("select count(*)::int as n from telemetry_raw")).rows[0]?.n ?? 0;
}
