import { HayloftError } from "@hayloft/engine";
import { idLengthMax } from "../farm-columns.ts";
import type { Refusal } from "./refusal.ts";
import { refuse } from "./refusal.ts";

interface Place {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
}

export interface TelemetryTopic extends Place {
  readonly kind: "telemetry";
  readonly device_id: string;
  readonly metric: string;
}

export interface EventTopic extends Place {
  readonly kind: "event";
  readonly device_id: string;
  readonly event_type: string;
}

export interface WeighTopic extends Place {
  readonly kind: "weighvision";
  readonly station_id: string;
  readonly session_id: string;
  readonly event_type: string;
}

export interface StatusTopic extends Place {
  readonly kind: "status";
  readonly device_id: string;
}

/** What a topic says. The names are those of the wire and of the database. */
export type Topic = TelemetryTopic | EventTopic | WeighTopic | StatusTopic;

/** What the ingress subscribes to, at QoS 1. */
export const topicFilters = [
  "iot/telemetry/+/+/+/+/+",
  "iot/event/+/+/+/+/+",
  "iot/weighvision/+/+/+/+/session/+/+",
  "iot/status/+/+/+/+",
] as const;

// Lone surrogates cannot be written as UTF-8, and control characters have no place in an id.
const unfit = /[\p{Cc}\p{Surrogate}/+#]/u;
// What nearly every id is made of. A message has a dozen ids, and the classes of Unicode take ten times as long.
const plain = /^[\w.:@~-]+$/;

/** True when `value` may be an id: 1 to 128 characters, none of them a control character, slash, plus or hash. */
export const isOutsideId = (value: string): boolean =>
  value.length >= 1 && value.length <= idLengthMax && (plain.test(value) || !unfit.test(value));

type Parsed<Of> = { readonly ok: true; readonly topic: Of } | Refusal;

/** Reads a topic. It is refused with `topic-invalid` when it has another shape or an unfit segment. */
export function parseTopic(topic: string): Parsed<Topic> {
  const segments = topic.split("/");
  const [root, kind = "", tenant_id = "", farm_id = "", barn_id = "", fourth = "", fifth = "", sixth = "", seventh = ""] =
    segments;
  if (root !== "iot") return refuse("topic-invalid", "root");
  if (!segments.every(isOutsideId)) return refuse("topic-invalid", "segment");
  const place = { tenant_id, farm_id, barn_id };
  const shape = `${kind} ${segments.length}`;
  if (shape === "telemetry 7") return { ok: true, topic: { kind: "telemetry", ...place, device_id: fourth, metric: fifth } };
  if (shape === "event 7") return { ok: true, topic: { kind: "event", ...place, device_id: fourth, event_type: fifth } };
  if (shape === "status 6") return { ok: true, topic: { kind: "status", ...place, device_id: fourth } };
  if (shape === "weighvision 9" && fifth === "session") {
    return { ok: true, topic: { kind: "weighvision", ...place, station_id: fourth, session_id: sixth, event_type: seventh } };
  }
  return refuse("topic-invalid", "shape");
}

function tail(topic: Topic): readonly string[] {
  if (topic.kind === "telemetry") return [topic.device_id, topic.metric];
  if (topic.kind === "event") return [topic.device_id, topic.event_type];
  if (topic.kind === "status") return [topic.device_id];
  return [topic.station_id, "session", topic.session_id, topic.event_type];
}

/** The topic's text. Throws `config-invalid` when an id cannot stand in a topic. */
export function topicFor(topic: Topic): string {
  const segments = ["iot", topic.kind, topic.tenant_id, topic.farm_id, topic.barn_id, ...tail(topic)];
  if (!segments.every(isOutsideId)) throw new HayloftError("config-invalid", { setting: "topic", kind: topic.kind });
  return segments.join("/");
}
