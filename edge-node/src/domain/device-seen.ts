import type { IngressMessage } from "../ingress/ingress-message.ts";
import { hashOf, timestampText } from "../ingress/ingress-message.ts";
import type { DomainContext } from "./domain-context.ts";
import type { SeenDevices } from "./seen-devices.ts";

/** A device that talks all the time is written down once a minute; what it says about itself is written when it is newer. */
const ORDINARY_WRITE_SECONDS = 60;

/** When a device was seen, and by which message. */
export interface Sighting {
  readonly item: IngressMessage;
  readonly seenMs: number;
}

/**
 * Notes when each device was heard last, from any message, and what its status said. It never moves back: an old status,
 * replayed or as a last will, changes nothing. A clock that runs ahead counts as now.
 */
export async function storeDeviceSeen(context: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const wills = messages.filter(isLastWill);
  const statuses = messages.filter((item) => item.message.event_type === "device.status" && !isLastWill(item));
  for (const item of [...statuses, ...wills]) context.seen.forget(item.message.device_id);
  const others = messages.filter((item) => item.message.event_type !== "device.status");
  if (statuses.length > 0) await writeStatuses(context, newestPerDevice(statuses, context.nowMs));
  const due = dueSightings(others, context.nowMs, context.seen);
  if (due.length > 0) await writeSightings(context, due);
  if (wills.length > 0) await writeWills(context, newestPerDevice(wills, context.nowMs));
}

/** The newest ordinary message of each device that was not written down within the last minute. */
export function dueSightings(messages: readonly IngressMessage[], nowMs: number, seen: SeenDevices): readonly Sighting[] {
  return newestPerDevice(messages, nowMs).filter(
    ({ item, seenMs }) => !seen.isRecent(item.message.device_id, seenMs, ORDINARY_WRITE_SECONDS * 1000),
  );
}

/** Remembers the sightings of these devices as written. */
export function noteWritten(seen: SeenDevices, sightings: readonly Sighting[], devices: readonly string[]): void {
  const written = new Set(devices);
  for (const { item, seenMs } of sightings) if (written.has(item.message.device_id)) seen.written(item.message.device_id, seenMs);
}

function newestPerDevice(messages: readonly IngressMessage[], nowMs: number): readonly Sighting[] {
  const newest = new Map<string, Sighting>();
  for (const item of messages) {
    const seenMs = Math.min(seenAtMs(item), nowMs);
    const held = newest.get(item.message.device_id);
    if (held === undefined || seenMs > held.seenMs) newest.set(item.message.device_id, { item, seenMs });
  }
  return [...newest.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sighting]) => sighting);
}

function seenAtMs({ message, occurredAtMs }: IngressMessage): number {
  return message.event_type === "device.status" ? (message.payload.last_seen_at?.getTime() ?? occurredAtMs) : occurredAtMs;
}

/**
 * A last will was written when the device connected and is published when it is gone: its time says nothing, its content is
 * news. So it changes the status and leaves the time of the last message.
 */
function isLastWill({ message, lastWill }: IngressMessage): boolean {
  return lastWill && message.event_type === "device.status" && message.payload.status === "offline";
}

async function writeWills({ tx, tenant, nowMs }: DomainContext, sightings: readonly Sighting[]): Promise<void> {
  await tx.query(
    `insert into device_last_seen as held (tenant_id, device_id, farm_id, barn_id, last_seen_at, last_topic, last_payload_hash, updated_at, status)
     select $1, device_id, farm_id, barn_id, seen_at, topic, hash, $2::timestamptz, 'offline'
     from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[])
       as news (device_id, farm_id, barn_id, seen_at, topic, hash)
     on conflict (tenant_id, device_id) do update set status = 'offline', updated_at = excluded.updated_at,
       last_seen_at = greatest(held.last_seen_at, excluded.last_seen_at)
     where held.status <> 'offline'`,
    [tenant, timestampText(nowMs), ...sightingColumns(sightings)],
  );
}

/** A status counts also when an ordinary message of the same instant was noted before: many devices count seconds. */
async function writeStatuses({ tx, tenant, nowMs }: DomainContext, sightings: readonly Sighting[]): Promise<void> {
  const statuses = sightings.flatMap(({ item, seenMs }) =>
    item.message.event_type === "device.status" ? [{ item, seenMs, payload: item.message.payload }] : [],
  );
  await tx.query(
    `insert into device_last_seen as held (tenant_id, device_id, farm_id, barn_id, last_seen_at, last_topic, last_payload_hash, updated_at, status,
       firmware_version, signal_strength_dbm, health)
     select $1, device_id, farm_id, barn_id, seen_at, topic, hash, $2::timestamptz, status, firmware, signal, health::jsonb
     from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int[], $12::text[])
       as news (device_id, farm_id, barn_id, seen_at, topic, hash, status, firmware, signal, health)
     on conflict (tenant_id, device_id) do update set farm_id = excluded.farm_id, barn_id = excluded.barn_id, last_seen_at = excluded.last_seen_at,
       last_topic = excluded.last_topic, last_payload_hash = excluded.last_payload_hash, updated_at = excluded.updated_at, status = excluded.status,
       firmware_version = coalesce(excluded.firmware_version, held.firmware_version),
       signal_strength_dbm = coalesce(excluded.signal_strength_dbm, held.signal_strength_dbm), health = coalesce(excluded.health, held.health)
     where excluded.last_seen_at > held.last_seen_at
       or (excluded.last_seen_at = held.last_seen_at and excluded.last_payload_hash is distinct from held.last_payload_hash)`,
    [
      tenant,
      timestampText(nowMs),
      ...sightingColumns(sightings),
      statuses.map(({ payload }) => payload.status ?? "online"),
      statuses.map(({ payload }) => payload.firmware_version),
      statuses.map(({ payload }) => (payload.signal_strength === null ? null : Math.round(payload.signal_strength))),
      statuses.map(({ payload }) => (payload.health === null ? null : JSON.stringify(payload.health))),
    ],
  );
}

/** Writes sightings of ordinary messages from a FROM item with their columns; `$1` is the tenant and `$2` the time now. */
export const sightingsSql = (news: string): string => `insert into device_last_seen as held
    (tenant_id, device_id, farm_id, barn_id, last_seen_at, last_topic, last_payload_hash, updated_at)
  select $1, device_id, farm_id, barn_id, seen_at, topic, hash, $2::timestamptz from ${news} as news
  on conflict (tenant_id, device_id) do update set farm_id = excluded.farm_id, barn_id = excluded.barn_id,
    last_seen_at = excluded.last_seen_at, last_topic = excluded.last_topic, last_payload_hash = excluded.last_payload_hash,
    updated_at = excluded.updated_at, status = 'online'
  where excluded.last_seen_at > held.last_seen_at
    and (held.status = 'offline' or excluded.last_seen_at >= held.last_seen_at + make_interval(secs => ${ORDINARY_WRITE_SECONDS}))
  returning device_id`;

const WRITE_SIGHTINGS_SQL = sightingsSql(
  `(select * from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[])
    as given (device_id, farm_id, barn_id, seen_at, topic, hash))`,
);

async function writeSightings({ tx, tenant, nowMs, seen }: DomainContext, sightings: readonly Sighting[]): Promise<void> {
  const { rows } = await tx.query<{ device_id: string }>(WRITE_SIGHTINGS_SQL, [
    tenant,
    timestampText(nowMs),
    ...sightingColumns(sightings),
  ]);
  noteWritten(
    seen,
    sightings,
    rows.map((row) => row.device_id),
  );
}

/** Device, farm, barn, time, topic and hash of sightings, column by column. */
export function sightingColumns(sightings: readonly Sighting[]): readonly (readonly string[])[] {
  return [
    sightings.map(({ item }) => item.message.device_id),
    sightings.map(({ item }) => item.message.farm_id),
    sightings.map(({ item }) => item.message.barn_id),
    sightings.map(({ seenMs }) => timestampText(seenMs)),
    sightings.map(({ item }) => item.topicText),
    sightings.map(({ item }) => hashOf(item.payload)),
  ];
}
