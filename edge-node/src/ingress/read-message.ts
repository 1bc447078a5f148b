import { newId } from "@hayloft/engine";
import type { EnvelopeLimits, Refusal } from "@hayloft/schema";
import { parseEnvelope, parseTopic, timeRefusal } from "@hayloft/schema";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import type { ReadMessage, RefusedMessage } from "./ingress-message.ts";
import { hashOf } from "./ingress-message.ts";

export interface ReadLimits extends EnvelopeLimits {
  /** The only tenant of this node. */
  readonly tenant: string;
}

/**
 * Reads a message in the order of the refusal reasons: topic, size, envelope, agreement of both, payload, tenant, clock.
 * Pure but for the trace id. What depends on the registry is decided later, in the transaction.
 */
export function readMessage(raw: MqttMessage, receivedAtMs: number, limits: ReadLimits): ReadMessage {
  const refused = (refusal: Refusal, of: Partial<RefusedMessage> = {}): ReadMessage => ({
    ok: false,
    refused: {
      topicText: raw.topic,
      hash: hashOf(raw.payload),
      sizeBytes: raw.payload.byteLength,
      receivedAtMs,
      eventId: null,
      device: null,
      ...of,
      reason: refusal.reason,
      detail: refusal.detail,
    },
  });
  const topic = parseTopic(raw.topic);
  if (!topic.ok) return refused(topic);
  const device = topic.topic.kind === "weighvision" ? null : topic.topic.device_id;
  const parsed = parseEnvelope(topic.topic, raw.payload, limits);
  if (!parsed.ok) return refused(parsed, { device });
  const { message } = parsed;
  const ids = { eventId: message.event_id, device: message.device_id };
  if (message.tenant_id !== limits.tenant) return refused({ ok: false, reason: "tenant-mismatch", detail: "node" }, ids);
  const late = timeRefusal(message, receivedAtMs, limits);
  // An old status, as a broker keeps it or a last will says it, is not fresh news, but it is not wrong either.
  if (late !== null && !(late.reason === "too-old" && message.event_type === "device.status")) return refused(late, ids);
  return {
    ok: true,
    message: {
      message,
      topicText: raw.topic,
      payload: raw.payload,
      receivedAtMs,
      lastWill: raw.lastWill,
      traceId: message.trace_id ?? newId(),
      occurredAtMs: message.occurred_at.getTime(),
    },
  };
}
