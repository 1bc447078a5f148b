import { HayloftError } from "@hayloft/engine";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { type Edge, type EdgePorts, startEdge } from "./start-edge.ts";

const POLL_MS = 50;

/**
 * Runs the node without devices and children until it holds what the hub has for it; returns the rows that it then holds. Throws `unavailable` when the
 * hub is not reached for the first time within `firstContactMs`, and when it refuses this node.
 */
export async function runUntilFilled(config: EdgeConfig, ports: EdgePorts, firstContactMs: number): Promise<number> {
  const alone: EdgeConfig = {
    ...config,
    "mqtt.url": null,
    "broker.host": "127.0.0.1",
    "broker.port": 0,
    "broker.tls_cert_file": null,
    "broker.tls_key_file": null,
    "http.host": "127.0.0.1",
    "http.port": 0,
    "http.tls_cert_file": null,
    "http.tls_key_file": null,
    "children.listen": false,
    "backup.directory": null,
    "backup.key_file": null,
  };
  const edge = await startEdge(alone, ports);
  try {
    const giveUpAtMs = performance.now() + firstContactMs;
    while (!(await isFilled(edge, giveUpAtMs))) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const tables = await edge.monitor.digests();
    return tables.reduce((total, { rows }) => total + rows, 0);
  } finally {
    await edge.stop();
  }
}

/** Throws when the hub refuses this node, or is not reached at all until `giveUpAtMs`; a fill that has begun may take its time. */
async function isFilled(edge: Edge, giveUpAtMs: number): Promise<boolean> {
  const { filling, peers } = await edge.replica.status();
  const parent = peers.find(({ relation }) => relation === "parent");
  const code = parent?.lastError?.code;
  if (parent?.connected === false && (code === "auth-revoked" || code === "auth-failed")) throw new HayloftError(code);
  if (parent?.connected === true) return parent.received.length > 0 && !filling;
  if ((parent?.lastContactMs ?? null) === null && performance.now() > giveUpAtMs)
    throw new HayloftError("unavailable", { reason: "the hub did not answer; run the command again" });
  return false;
}
