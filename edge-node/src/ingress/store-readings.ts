import { newId } from "@hayloft/engine";
import type { Database } from "@hayloft/engine";
import type { Sighting } from "../domain/device-seen.ts";
import { sightingColumns, sightingsSql } from "../domain/device-seen.ts";
import { isSiloReading } from "./authority.ts";
import type { IngressMessage, ReadMessage } from "./ingress-message.ts";
import { messagesOf, timestampText } from "./ingress-message.ts";

type Reading = IngressMessage<"telemetry.reading">;

/** Readings that one statement takes in. Those of silos are not among them: feed intake is derived from them. */
export function plainReadings(group: readonly ReadMessage[]): readonly Reading[] {
  const readings = messagesOf(
    group.flatMap((item) => (item.ok ? [item.message] : [])),
    "telemetry.reading",
  );
  const first = new Map<string, Reading>();
  for (const item of readings) {
    const { event_id } = item.message;
    if (!first.has(event_id) && !isSiloReading(item.message)) first.set(event_id, item);
  }
  return [...first.values()];
}

/** What many readings of a group share stands once, and each reading refers to it by number: less to send and to compare. */
interface Cell {
  readonly number: number;
  readonly reading: Reading;
  readonly metric: string;
  readonly hourMs: number;
}

const HOUR_MS = 3_600_000;

function cellsOf(readings: readonly Reading[]): { readonly cells: readonly Cell[]; readonly numbers: readonly number[] } {
  const cells = new Map<string, Cell>();
  const numbers = readings.map((reading) => {
    const { message, topicText, occurredAtMs } = reading;
    const hourMs = Math.floor(occurredAtMs / HOUR_MS) * HOUR_MS;
    // The topic holds place, device and metric, and no topic has a control character.
    const key = `${topicText}\n${hourMs}\n${message.payload.unit ?? "\n"}`;
    let cell = cells.get(key);
    if (cell === undefined) {
      const metric = message.topic.kind === "telemetry" ? message.topic.metric : "";
      cell = { number: cells.size + 1, reading, metric, hourMs };
      cells.set(key, cell);
    }
    return cell.number;
  });
  return { cells: [...cells.values()], numbers };
}

// Everything about a group in one statement, which is a transaction of its own: one crossing to the store and one fsync. A
// reading is its own claim: `not exists` finds its event in every partition, whatever its time. Bounds on the time would leave
// partitions out, but with them the planner, which knows nothing yet of a new month, reads a whole month for each reading.
// Writers of a node follow each other; where they do not, the unique keys end the statement, and the group goes the slow way.
// The lock of a mark that exists is enough: a roll-up that is about to delete it waits, and reads the readings afterwards.
const STORE_SQL = `
with cell as materialized (
  select c.*
  from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]) with ordinality
    as c (device_id, farm_id, barn_id, metric, unit, hour_start, number)
  join device_allowlist as list on list.tenant_id = $1 and list.device_id = c.device_id
  where list.enabled and coalesce(list.farm_id, c.farm_id) = c.farm_id and coalesce(list.barn_id, c.barn_id) = c.barn_id
    and exists (select from tenants as own where own.tenant_id = $1 and own.status = 'active')
    and not exists (select from site_block_list as blocked
      where blocked.tenant_id = $1 and blocked.kind = 'device' and blocked.subject_id = c.device_id)
), place as materialized (
  select p.barn_id, p.day_start, batch_at($1, p.barn_id, p.day_start) as batch_id
  from (select distinct barn_id, date_trunc('day', hour_start, 'UTC') as day_start from cell) as p
), series as materialized (
  select cell.*, place.batch_id
  from cell join place on place.barn_id = cell.barn_id and place.day_start = date_trunc('day', cell.hour_start, 'UTC')
), stored as (
  insert into telemetry_raw
    (tenant_id, id, farm_id, barn_id, device_id, batch_id, metric, value, unit, occurred_at, event_id, trace_id)
  select $1, r.id, s.farm_id, s.barn_id, s.device_id, s.batch_id, s.metric, r.value, s.unit, r.occurred_at, r.event_id, r.trace_id
  from unnest($9::uuid[], $10::int[], $11::numeric[], $12::timestamptz[], $13::text[], $14::text[])
    as r (id, cell, value, occurred_at, event_id, trace_id)
  join series as s on s.number = r.cell
  where not exists (select from telemetry_raw as t where t.tenant_id = $1 and t.event_id = r.event_id)
    and not exists (select from ingress_dedupe as d
      where d.tenant_id = $1 and d.event_id = r.event_id and d.expires_at > $2::timestamptz)
  returning event_id
), marked as (
  insert into telemetry_rollup_due (tenant_id, farm_id, barn_id, device_id, metric, hour_start)
  select distinct $1, farm_id, barn_id, device_id, metric, hour_start from cell order by 2, 3, 4, 5, 6
  on conflict (tenant_id, farm_id, barn_id, device_id, metric, hour_start) do update set marked_at = excluded.marked_at where false
), sighted as (
  ${sightingsSql(
    `(select seen.* from unnest($15::text[], $16::text[], $17::text[], $18::timestamptz[], $19::text[], $20::text[])
      as seen (device_id, farm_id, barn_id, seen_at, topic, hash)
    where exists (select from cell where cell.device_id = seen.device_id and cell.barn_id = seen.barn_id and cell.farm_id = seen.farm_id))`,
  )}
)
select count(*)::int as stored, case when count(*) < cardinality($13::text[]) then array_agg(event_id) end as events,
  (select array_agg(device_id) from sighted) as devices
from stored`;

export interface StoredReadings {
  /** Events that are stored now. The others were known, or their sender may not speak here: nothing was done with them. */
  readonly events: ReadonlySet<string>;
  /** Devices whose sighting was written. */
  readonly devices: readonly string[];
}

interface StoreReadingsOptions {
  readonly database: Database;
  readonly tenant: string;
  readonly nowMs: number;
}

/**
 * Stores readings with distinct events, durably when it resolves: those of devices that are allowed at that moment, once per
 * event, with the batch that was in the barn, the mark for the aggregates, and when the devices were seen.
 */
export async function storeReadings(
  { database, tenant, nowMs }: StoreReadingsOptions,
  readings: readonly Reading[],
  sightings: readonly Sighting[],
): Promise<StoredReadings> {
  const { cells, numbers } = cellsOf(readings);
  const { rows } = await database.query<{ stored: number; events: string[] | null; devices: string[] | null }>(STORE_SQL, [
    tenant,
    timestampText(nowMs),
    cells.map((cell) => cell.reading.message.device_id),
    cells.map((cell) => cell.reading.message.farm_id),
    cells.map((cell) => cell.reading.message.barn_id),
    cells.map((cell) => cell.metric),
    cells.map((cell) => cell.reading.message.payload.unit),
    cells.map((cell) => timestampText(cell.hourMs)),
    readings.map(() => newId()),
    numbers,
    readings.map(({ message }) => message.payload.value.toFixed(4)),
    readings.map((item) => timestampText(item.occurredAtMs)),
    readings.map(({ message }) => message.event_id),
    readings.map((item) => item.traceId),
    ...sightingColumns(sightings),
  ]);
  const [row] = rows;
  const events = row?.events ?? (row?.stored === readings.length ? readings.map(({ message }) => message.event_id) : []);
  return { events: new Set(events), devices: row?.devices ?? [] };
}
