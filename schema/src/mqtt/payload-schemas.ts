import * as v from "valibot";
import { isOutsideId } from "./topic.ts";

const id = v.pipe(v.string(), v.check(isOutsideId, "is no id"));
const shortText = v.pipe(
  v.string(),
  v.maxLength(200),
  v.check((value) => !/[\p{Cc}\p{Surrogate}]/u.test(value), "is no plain text"),
);
const instantPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2_147_483_647));
/** What `numeric(12, 3)` holds. */
const kilograms = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(999_999_999));
/** What `numeric(12, 4)` holds. */
const reading = v.pipe(v.number(), v.finite(), v.minValue(-99_999_999), v.maxValue(99_999_999));

/** Every month has 28 days; only a later one is looked up. */
function dayExists(instantText: string): boolean {
  const day = Number(instantText.slice(8, 10));
  return day <= 28 || new Date(`${instantText.slice(0, 10)}T00:00:00Z`).getUTCDate() === day;
}

/** An instant with zone, years 2000 to 2999. A day that does not exist is refused and not rolled over. */
export const instant = v.pipe(
  v.string(),
  v.regex(instantPattern),
  v.transform((value) => new Date(dayExists(value) ? value : Number.NaN)),
  v.date(),
  v.check((value) => value.getUTCFullYear() >= 2000 && value.getUTCFullYear() <= 2999, "is out of range"),
);

const optional = <Schema extends v.GenericSchema>(schema: Schema) => v.optional(v.nullable(schema), null);

/** One schema per event type. Fields that are not named here are accepted and dropped. */
export const payloadSchemas = {
  "telemetry.reading": v.object({
    value: reading,
    unit: optional(shortText),
    metric: optional(id),
    sensor_id: optional(id),
  }),
  "sensor.heartbeat": v.object({}),
  "device.status": v.object({
    status: optional(v.picklist(["online", "offline"])),
    last_seen_at: optional(instant),
    firmware_version: optional(shortText),
    ip: optional(shortText),
    signal_strength: optional(v.pipe(v.number(), v.minValue(-120), v.maxValue(0))),
    health: optional(v.pipe(v.record(id, v.boolean()), v.maxEntries(20))),
  }),
  "weighvision.session.created": v.object({
    session_id: optional(id),
    station_id: optional(id),
    batch_id: optional(id),
    initial_weight_kg: optional(kilograms),
    capture_id: optional(id),
    captured_at: optional(instant),
  }),
  "weighvision.weight.recorded": v.object({ weight_kg: kilograms }),
  "weighvision.image.captured": v.object({
    media_id: id,
    content_type: optional(shortText),
    size_bytes: optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    sha256: optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
    image_role: optional(shortText),
  }),
  "weighvision.inference.completed": v.object({
    media_id: optional(id),
    model_version: id,
    predicted_weight_kg: optional(kilograms),
    predicted_size: optional(shortText),
    confidence: optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  }),
  "weighvision.session.finalized": v.object({
    image_count: optional(count),
    capture_id: optional(id),
    finalized_at: optional(instant),
  }),
  "feed.dispensed": v.object({
    quantity_kg: v.pipe(v.number(), v.finite(), v.minValue(0.001), v.maxValue(999_999_999)),
    batch_id: optional(id),
    feed_formula_id: optional(id),
    feed_lot_id: optional(id),
    sequence: optional(count),
  }),
} as const;

export type EventType = keyof typeof payloadSchemas;

/** What a payload holds after it was read. */
export type PayloadOf<Type extends EventType> = v.InferOutput<(typeof payloadSchemas)[Type]>;

export const isEventType = (value: string): value is EventType => Object.hasOwn(payloadSchemas, value);

/** Names that devices in the field use for a field, by event type. */
const aliases: Partial<Record<EventType, Readonly<Record<string, readonly string[]>>>> = {
  "weighvision.session.created": { batch_id: ["batchId"] },
  "weighvision.weight.recorded": { weight_kg: ["weightKg", "weight", "value"] },
  "weighvision.image.captured": { media_id: ["mediaId", "media_object_id", "mediaObjectId"] },
};

/** The payload with aliases replaced by the names of the schema, and whether one was. A proper name wins. */
export function withoutAliases(
  type: EventType,
  payload: Readonly<Record<string, unknown>>,
): { readonly payload: Readonly<Record<string, unknown>>; readonly replaced: boolean } {
  const known = aliases[type];
  if (known === undefined) return { payload, replaced: false };
  const found = Object.entries(known).flatMap(([name, others]) => {
    const other = Object.hasOwn(payload, name) ? undefined : others.find((item) => Object.hasOwn(payload, item));
    return other === undefined ? [] : [[name, payload[other]] as const];
  });
  return found.length === 0
    ? { payload, replaced: false }
    : { payload: { ...payload, ...Object.fromEntries(found) }, replaced: true };
}
