import { HayloftError } from "@hayloft/engine";
import * as v from "valibot";
import type { EventType, PayloadOf } from "./payload-schemas.ts";
import { instant, isEventType, payloadSchemas, withoutAliases } from "./payload-schemas.ts";
import type { Refusal } from "./refusal.ts";
import { refuse } from "./refusal.ts";
import type { Topic } from "./topic.ts";
import { isOutsideId } from "./topic.ts";

export interface EnvelopeLimits {
  /** The largest message. Real ones have 600 to 850 bytes. */
  readonly messageBytesMax: number;
  /** How far ahead of ours a device's clock may be. */
  readonly aheadMsMax: number;
  /** How old a reading may be: no older than the barn keeps readings. */
  readonly ageMsMax: number;
}

export const envelopeLimits: EnvelopeLimits = {
  messageBytesMax: 65_536,
  aheadMsMax: 60 * 60 * 1000,
  ageMsMax: 90 * 24 * 60 * 60 * 1000,
};

/** Something that was put right. The message is taken in and the warning counted. */
export type EnvelopeWarning = "schema-version-missing" | "trace-id-missing" | "ts-alias" | "payload-alias";

interface MessageBase<Type extends EventType> {
  readonly schema_version: string;
  readonly event_id: string;
  /** Null when the device sent none: the ingress makes one. */
  readonly trace_id: string | null;
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly device_id: string;
  readonly event_type: Type;
  readonly occurred_at: Date;
  readonly produced_at: Date | null;
  readonly retry_count: number;
  readonly topic: Topic;
  readonly payload: PayloadOf<Type>;
}

/** A message that was read and fits its topic. `event_type` tells what `payload` holds. */
export type Message = { readonly [Type in EventType]: MessageBase<Type> }[EventType];

export type MessageOf<Type extends EventType> = MessageBase<Type>;

export interface ParsedMessage {
  readonly ok: true;
  readonly message: Message;
  readonly warnings: readonly EnvelopeWarning[];
}

const id = v.pipe(v.string(), v.check(isOutsideId, "is no id"));
const version = /^(\d{1,4})\.(\d{1,4})$/;

const envelopeSchema = v.object({
  event_id: id,
  trace_id: v.optional(v.nullable(id), null),
  tenant_id: id,
  device_id: id,
  event_type: id,
  ts: instant,
  payload: v.record(v.string(), v.unknown()),
  produced_at: v.optional(v.nullable(instant), null),
  retry_count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000_000)), 0),
});

type Envelope = v.InferOutput<typeof envelopeSchema>;

/** The names of the fields that do not fit, never their values. */
const fieldsOf = (issues: readonly v.BaseIssue<unknown>[]): string =>
  [...new Set(issues.map(({ path }) => (typeof path?.[0]?.key === "string" ? path[0].key : "body")))]
    .sort()
    .slice(0, 5)
    .join(", ")
    .slice(0, 200);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const decoder = new TextDecoder("utf-8", { fatal: true });

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    // Not UTF-8, not JSON, or nested too deeply: to the sender it is all the same.
    return undefined;
  }
}

/** The event type that a topic stands for. */
const typeOfTopic = (topic: Topic): string => {
  if (topic.kind === "telemetry") return "telemetry.reading";
  if (topic.kind === "status") return "device.status";
  return topic.event_type;
};

function mismatch(topic: Topic, envelope: Envelope): Refusal | null {
  if (envelope.tenant_id !== topic.tenant_id) return refuse("tenant-mismatch", "tenant_id");
  if (topic.kind !== "weighvision" && envelope.device_id !== topic.device_id) return refuse("device-mismatch", "device_id");
  if (envelope.event_type !== typeOfTopic(topic)) return refuse("event-type-mismatch", "event_type");
  if (!isEventType(envelope.event_type)) return refuse("event-type-unknown", "event_type");
  if (envelope.event_type.startsWith("weighvision.") !== (topic.kind === "weighvision"))
    return refuse("event-type-mismatch", "topic");
  return null;
}

/** What a payload says a second time must be what the topic says. */
function contradiction(topic: Topic, payload: Readonly<Record<string, unknown>>): string | null {
  const differs = (name: string, stated: string): boolean => (payload[name] ?? stated) !== stated;
  if (topic.kind === "telemetry") return differs("metric", topic.metric) ? "metric" : null;
  if (topic.kind !== "weighvision") return null;
  if (differs("session_id", topic.session_id)) return "session_id";
  return differs("station_id", topic.station_id) ? "station_id" : null;
}

function readPayload(topic: Topic, type: EventType, raw: Readonly<Record<string, unknown>>) {
  const { payload, replaced } = withoutAliases(type, raw);
  const parsed = v.safeParse(payloadSchemas[type], payload);
  if (!parsed.success) return refuse("payload-invalid", fieldsOf(parsed.issues));
  const field = contradiction(topic, parsed.output);
  return field === null ? { ok: true as const, payload: parsed.output, replaced } : refuse("payload-invalid", field);
}

/** The message, field by field: spreading objects costs as much as reading the JSON. */
function messageOf(topic: Topic, envelope: Envelope, schemaVersion: string, payload: unknown): Message {
  // The schema was chosen by the event type, so the two belong together; the compiler cannot follow that.
  return {
    schema_version: schemaVersion,
    event_id: envelope.event_id,
    trace_id: envelope.trace_id,
    tenant_id: envelope.tenant_id,
    farm_id: topic.farm_id,
    barn_id: topic.barn_id,
    device_id: envelope.device_id,
    event_type: envelope.event_type,
    occurred_at: envelope.ts,
    produced_at: envelope.produced_at,
    retry_count: envelope.retry_count,
    topic,
    payload,
  } as Message;
}

/**
 * Reads a message and holds it against its topic, in the order of `refusalReasons`. Unknown fields are dropped. The time is
 * checked by `timeRefusal`, the allowlist by the ingress.
 */
export function parseEnvelope(topic: Topic, bytes: Uint8Array, limits: EnvelopeLimits = envelopeLimits): ParsedMessage | Refusal {
  if (bytes.byteLength > limits.messageBytesMax) return refuse("message-too-large", `limit ${limits.messageBytesMax} bytes`);
  const body = readJson(bytes);
  if (!isRecord(body)) return refuse("envelope-invalid", "body");
  const warnings: EnvelopeWarning[] = [];
  const stated = body["schema_version"] ?? "1.0";
  if (body["schema_version"] === undefined || body["schema_version"] === null) warnings.push("schema-version-missing");
  if (typeof stated !== "string" || version.exec(stated)?.[1] !== "1") return refuse("schema-version", "supported 1.x");
  if (body["ts"] === undefined && body["occurred_at"] !== undefined) warnings.push("ts-alias");
  const parsed = v.safeParse(envelopeSchema, (body["ts"] ?? null) === null ? { ...body, ts: body["occurred_at"] } : body);
  if (!parsed.success) return refuse("envelope-invalid", fieldsOf(parsed.issues));
  const envelope = parsed.output;
  const refused = mismatch(topic, envelope);
  if (refused !== null) return refused;
  const read = readPayload(topic, envelope.event_type as EventType, envelope.payload);
  if (!read.ok) return read;
  if (read.replaced) warnings.push("payload-alias");
  if (envelope.trace_id === null) warnings.push("trace-id-missing");
  return { ok: true, message: messageOf(topic, envelope, stated, read.payload), warnings };
}

/** Refuses what a wrong clock made: a message from the future, or one older than the barn keeps readings. */
export function timeRefusal(message: Message, nowMs: number, limits: EnvelopeLimits = envelopeLimits): Refusal | null {
  const aheadMs = message.occurred_at.getTime() - nowMs;
  if (aheadMs > limits.aheadMsMax) return refuse("clock-ahead", `limit ${limits.aheadMsMax} ms`);
  if (-aheadMs > limits.ageMsMax) return refuse("too-old", `limit ${limits.ageMsMax} ms`);
  return null;
}

/** What a device says beside its topic. */
export interface EnvelopeContent {
  readonly event_id: string;
  readonly trace_id: string;
  /** Needed on weigh topics, which name the station. */
  readonly device_id?: string;
  readonly ts: Date;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly produced_at?: Date;
  readonly retry_count?: number;
}

/**
 * The bytes of a message, checked by the validator of the ingress. Throws `config-invalid` with the refusal's reason when
 * the ingress would refuse them.
 */
export function buildEnvelope(topic: Topic, content: EnvelopeContent): Uint8Array {
  const device = content.device_id ?? (topic.kind === "weighvision" ? "" : topic.device_id);
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      schema_version: "1.0",
      ...content,
      tenant_id: topic.tenant_id,
      device_id: device,
      event_type: typeOfTopic(topic),
    }),
  );
  const read = parseEnvelope(topic, bytes);
  if (!read.ok) throw new HayloftError("config-invalid", { setting: "message", reason: read.reason, detail: read.detail });
  return bytes;
}
