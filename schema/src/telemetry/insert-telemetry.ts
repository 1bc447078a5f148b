import type { SqlSession } from "@hayloft/engine";

/** A reading to be stored. `value` is a decimal with up to four digits after the point. */
export interface TelemetryReading {
  readonly id: string;
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly device_id: string;
  readonly metric: string;
  readonly value: string;
  readonly unit: string | null;
  readonly occurred_at: Date;
  readonly event_id: string;
  readonly trace_id: string | null;
}

/** The most readings of one call. */
export const readingsMax = 5_000;

// `do update` and not `do nothing`: the writer must hold the row until it commits. Otherwise a roll-up that runs meanwhile
// could delete the mark without having seen the reading.
const markSql = (readings: string): string => `
insert into telemetry_rollup_due (tenant_id, farm_id, barn_id, device_id, metric, hour_start)
select distinct r.tenant_id, r.farm_id, r.barn_id, r.device_id, r.metric, date_trunc('hour', r.occurred_at, 'UTC')
from ${readings} as r
order by 1, 2, 3, 4, 5, 6
on conflict (tenant_id, farm_id, barn_id, device_id, metric, hour_start) do update set marked_at = excluded.marked_at`;

const markGivenSql = `
with given as (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as g(tenant_id, farm_id, barn_id, device_id, metric, occurred_at)
)
${markSql("given")}`;

// A barn's batch changes by the day, so it is looked up once per barn and day and not once per reading.
// Readings and marks go in one statement, because a round trip to the store costs as much as many rows.
// The unique key holds (event, time), since Postgres wants the partition column in it. The same event under another time is
// caught by `not exists`, which all writers of a node pass through one after the other.
const insertSql = `
with given as (
  select distinct on (g.tenant_id, g.event_id) g.*
  from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::text[],
              $9::timestamptz[], $10::text[], $11::text[])
       with ordinality
       as g(tenant_id, id, farm_id, barn_id, device_id, metric, value, unit, occurred_at, event_id, trace_id, ordinal)
  order by g.tenant_id, g.event_id, g.ordinal
), place as materialized (
  select p.*, batch_at(p.tenant_id, p.barn_id, p.day_start) as batch_id
  from (select distinct tenant_id, barn_id, date_trunc('day', occurred_at, 'UTC') as day_start from given) p
), stored as (
  insert into telemetry_raw
    (tenant_id, id, farm_id, barn_id, device_id, batch_id, metric, value, unit, occurred_at, event_id, trace_id)
  select g.tenant_id, g.id, g.farm_id, g.barn_id, g.device_id, (
      select p.batch_id from place p
      where p.tenant_id = g.tenant_id and p.barn_id = g.barn_id and p.day_start = date_trunc('day', g.occurred_at, 'UTC')
    ), g.metric,
         g.value, g.unit, g.occurred_at, g.event_id, g.trace_id
  from given g
  where not exists (
    select 1 from telemetry_raw t
    where t.tenant_id = g.tenant_id and t.event_id = g.event_id
  )
  order by g.ordinal
  on conflict do nothing
  returning tenant_id, farm_id, barn_id, device_id, metric, occurred_at, event_id
), marked as (
  ${markSql("stored")}
)
select event_id from stored`;

/**
 * Stores readings once per event, each under the batch that was in the barn at its time, and marks their hours for the
 * aggregates. Returns the event ids of the readings that were new. At most `readingsMax` at a time.
 */
export async function insertTelemetry(tx: SqlSession, readings: readonly TelemetryReading[]): Promise<readonly string[]> {
  if (readings.length === 0) return [];
  const { rows } = await tx.query<{ event_id: string }>(insertSql, [
    readings.map((row) => row.tenant_id),
    readings.map((row) => row.id),
    readings.map((row) => row.farm_id),
    readings.map((row) => row.barn_id),
    readings.map((row) => row.device_id),
    readings.map((row) => row.metric),
    readings.map((row) => row.value),
    readings.map((row) => row.unit),
    readings.map((row) => row.occurred_at.toISOString()),
    readings.map((row) => row.event_id),
    readings.map((row) => row.trace_id),
  ]);
  return rows.map((row) => row.event_id);
}

/** Which aggregates a reading belongs to. */
export interface DueReading {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly device_id: string;
  readonly metric: string;
  readonly occurred_at: Date;
}

/** Marks the hours of these readings, in the transaction that stores them, so that `rollUp` computes them again. */
export async function markDue(tx: SqlSession, readings: readonly DueReading[]): Promise<void> {
  if (readings.length === 0) return;
  await tx.query(markGivenSql, [
    readings.map((row) => row.tenant_id),
    readings.map((row) => row.farm_id),
    readings.map((row) => row.barn_id),
    readings.map((row) => row.device_id),
    readings.map((row) => row.metric),
    readings.map((row) => row.occurred_at.toISOString()),
  ]);
}
