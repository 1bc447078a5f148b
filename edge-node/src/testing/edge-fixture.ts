import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { SeedBarn } from "@hayloft/schema";
import { seedId, seedPlan } from "@hayloft/schema";
import { preparedFarm } from "@hayloft/schema/testing";
import { prepareDirectory } from "@hayloft/engine/testing";
import type { MqttClient } from "mqtt";
import { connectAsync } from "mqtt";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import type { Edge, EdgePorts } from "../daemon/start-edge.ts";
import { startEdge } from "../daemon/start-edge.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { edgeConfigOf } from "../settings/load-edge-config.ts";
import { fillBarns } from "./barn-fixture.ts";

/** The tenant and barns that `fillBarns` stores. */
export const TENANT = seedId(1);

export const quietLog: NonNullable<EdgePorts["log"]> = { write: () => undefined };

/** A directory that is removed with `remove`. */
export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), "hayloft-edge-"));
  return { path: directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** The configuration of a node without a hub, on free ports, that lets devices in without accounts. */
export function standaloneConfig(dataDir: string, overrides: Partial<EdgeConfig> = {}): EdgeConfig {
  return edgeConfigOf({
    data_dir: dataDir,
    mode: "standalone",
    tenant_id: TENANT,
    "broker.port": 0,
    "broker.anonymous": true,
    "http.port": 0,
    "log.level": "silent",
    ...overrides,
  });
}

/** Starts a daemon without a hub and gives it the master data of two barns, as if they had come from one. */
export async function startStandalone(config: EdgeConfig, ports: EdgePorts = {}): Promise<Edge> {
  await prepareDirectory(path.join(config.data_dir, "database"), preparedFarm("edge"));
  const edge = await startEdge(config, { log: quietLog, ...ports });
  await fillBarns(edge.replica.database, Date.now());
  return edge;
}

/** The first seeded barn. */
export function firstBarn(): SeedBarn {
  const barn = seedPlan().tenants[0]?.farms[0]?.barns[0];
  if (barn === undefined) throw new Error("the seed plan has no barn");
  return barn;
}

/** A device's connection: a persistent session that sends again what was not acknowledged. */
export function connectDevice(
  url: string,
  clientId: string,
  login: { readonly username?: string; readonly password?: string } = {},
): Promise<MqttClient> {
  return connectAsync(url, { clientId, clean: false, reconnectPeriod: 100, connectTimeout: 5000, ...login }, false);
}

/** Publishes at QoS 1 as a device does: again and again until the broker has acknowledged, also over a lost connection. */
export async function publish(client: MqttClient, message: MqttMessage): Promise<void> {
  const acknowledged = (): Promise<boolean> =>
    client.publishAsync(message.topic, Buffer.from(message.payload), { qos: 1 }).then(
      () => true,
      () => false,
    );
  await until("the message is acknowledged", acknowledged, 300_000);
}

/** Waits until `holds` is true; throws after `limitMs` with the last reason it gave. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** How many rows a query's `from …` part gives. */
export async function countRows(edge: Edge, from: string): Promise<number> {
  const { rows } = await edge.replica.database.query<{ n: number }>(`select count(*)::int as n from ${from}`);
  return rows[0]?.n ?? -1;
}
