import type { DomainContext } from "./domain-context.ts";
import { timestampText } from "../ingress/ingress-message.ts";

/** A silo that lost at least so much between two readings was eaten from; less is noise of the scale. */
const DROP_KG_MIN = 0.1;

const SERIES = `silo as materialized (
  select news.device_id, reading.occurred_at, reading.event_id, reading.farm_id, reading.barn_id, reading.value
  from unnest($2::text[], $3::text[]) as news (device_id, event_id)
  join telemetry_raw as reading on reading.tenant_id = $1 and reading.event_id = news.event_id
)`;

/** The neighbour of a new reading: `after` or before it, among all readings or only those that were there before. */
function neighbour(name: string, after: boolean, among: string): string {
  const [comparison, direction] = after ? [">", "asc"] : ["<", "desc"];
  return `left join lateral (
    select occurred_at, event_id, value, farm_id, barn_id from telemetry_raw as other
    where other.tenant_id = $1 and other.device_id = silo.device_id and other.metric = 'silo.weight'
      and other.occurred_at ${comparison}= silo.occurred_at and (other.occurred_at, other.event_id) ${comparison} (silo.occurred_at, silo.event_id) ${among}
    order by occurred_at ${direction}, event_id ${direction} limit 1) as ${name} on true`;
}

/** The row id of the intake between two readings: the same from whatever order they came in. */
const INTAKE_ID = "hayloft.derived_id('feed_intake_record', array[$1::text, 'silo', device_id, from_event, to_event])";

const VOID_SQL = `with ${SERIES}
update feed_intake_record as held set voided_at = $4::timestamptz, void_reason = 'a reading between the two came late'
from (
  select distinct ${INTAKE_ID} as id
  from (
    select silo.device_id, before.event_id as from_event, after.event_id as to_event
    from silo
    ${neighbour("before", false, "and other.event_id <> all ($3::text[])")}
    ${neighbour("after", true, "and other.event_id <> all ($3::text[])")}
    where before.event_id is not null and after.event_id is not null
  ) as parted
) as parted
where held.tenant_id = $1 and held.id = parted.id and held.voided_at is null`;

const INSERT_SQL = `with ${SERIES}
insert into feed_intake_record (tenant_id, id, farm_id, barn_id, batch_id, device_id, source, quantity_kg, occurred_at, ingested_at)
select $1, ${INTAKE_ID}, farm_id, barn_id, batch_at($1, barn_id, occurred_at), device_id, 'SILO_AUTO', quantity, occurred_at, $4::timestamptz
from (
  select silo.device_id, before.event_id as from_event, silo.event_id as to_event, silo.farm_id, silo.barn_id, silo.occurred_at,
    before.value - silo.value as quantity
  from silo ${neighbour("before", false, "")}
  union
  select silo.device_id, silo.event_id, after.event_id, after.farm_id, after.barn_id, after.occurred_at, silo.value - after.value
  from silo ${neighbour("after", true, "")}
) as pair
where quantity >= ${DROP_KG_MIN}
order by 2
on conflict do nothing`;

/**
 * Derives feed intake from readings that were just stored: one record per two neighbouring readings with a drop between
 * them, under an id made of device and both readings. A reading that comes late parts an older pair: its record is voided and
 * the two new pairs are recorded. So any order of arrival ends in the same records that count.
 */
export async function deriveSiloIntake(
  { tx, tenant, nowMs }: DomainContext,
  readings: readonly { readonly device: string; readonly eventId: string }[],
): Promise<void> {
  if (readings.length === 0) return;
  const parameters = [tenant, readings.map((item) => item.device), readings.map((item) => item.eventId), timestampText(nowMs)];
  await tx.query(VOID_SQL, parameters);
  await tx.query(INSERT_SQL, parameters);
  await tx.query(
    `insert into silo_weight_snapshot as held (tenant_id, device_id, weight_kg, recorded_at, updated_at)
     select distinct on (reading.device_id) $1, reading.device_id, reading.value, reading.occurred_at, $4::timestamptz
     from unnest($2::text[], $3::text[]) as news (device_id, event_id)
     join telemetry_raw as reading on reading.tenant_id = $1 and reading.event_id = news.event_id and reading.value >= 0
     order by reading.device_id, reading.occurred_at desc, reading.event_id desc
     on conflict (tenant_id, device_id) do update set weight_kg = excluded.weight_kg, recorded_at = excluded.recorded_at, updated_at = excluded.updated_at
     where excluded.recorded_at > held.recorded_at`,
    parameters,
  );
}
