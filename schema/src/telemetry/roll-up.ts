import type { Database, SqlSession } from "@hayloft/engine";

interface DueHour {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly device_id: string;
  readonly metric: string;
  readonly hour_start: Date;
}

/** What one run of the roll-up did. */
export interface RollUpResult {
  /** Hours of a device and metric that were computed. Below the limit: nothing is left to do. */
  readonly hours: number;
  /** Buckets whose figures changed. */
  readonly changed: number;
}

// One roll-up at a time: two that computed different hours of one day would each miss the other's.
const lockSql = `select pg_try_advisory_xact_lock(hashtextextended('farm telemetry roll-up', 0)) as locked`;

const takeSql = `
delete from telemetry_rollup_due d
using (
  select tenant_id, farm_id, barn_id, device_id, metric, hour_start
  from telemetry_rollup_due
  order by marked_at
  limit $1
) o
where (d.tenant_id, d.farm_id, d.barn_id, d.device_id, d.metric, d.hour_start)
    = (o.tenant_id, o.farm_id, o.barn_id, o.device_id, o.metric, o.hour_start)
returning d.tenant_id, d.farm_id, d.barn_id, d.device_id, d.metric, d.hour_start`;

const dueSql = `
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as g(tenant_id, farm_id, barn_id, device_id, metric, hour_start)`;

// A bucket only ever gains readings. One with fewer than before was computed after its readings aged away, and is not stored.
const storeSql = `
on conflict (tenant_id, farm_id, barn_id, device_id, metric, bucket_start, bucket_size) do update
set avg = excluded.avg, min = excluded.min, max = excluded.max, sum = excluded.sum, count = excluded.count,
    updated_at = excluded.updated_at
where excluded.count >= telemetry_agg.count
  and (excluded.sum, excluded.min, excluded.max, excluded.count)
      is distinct from (telemetry_agg.sum, telemetry_agg.min, telemetry_agg.max, telemetry_agg.count)`;

const fromReadingsSql = `
with due as (${dueSql})
insert into telemetry_agg
  (tenant_id, farm_id, barn_id, device_id, metric, bucket_start, bucket_size, avg, min, max, sum, count)
select d.tenant_id, d.farm_id, d.barn_id, d.device_id, d.metric,
       date_bin(s.width, t.occurred_at, timestamptz '2000-01-01 00:00:00+00'), s.size,
       round(sum(t.value) / count(*), 4), min(t.value), max(t.value), sum(t.value), count(*)
from due d
join telemetry_raw t
  on t.tenant_id = d.tenant_id and t.device_id = d.device_id and t.metric = d.metric
 and t.farm_id = d.farm_id and t.barn_id = d.barn_id
 and t.occurred_at >= d.hour_start and t.occurred_at < d.hour_start + interval '1 hour'
cross join (values ('1m', interval '1 minute'), ('5m', interval '5 minutes'), ('1h', interval '1 hour')) as s(size, width)
group by 1, 2, 3, 4, 5, 6, 7
order by 1, 2, 3, 4, 5, 6, 7
${storeSql}`;

// Days come from hours: those are kept longer than readings, so that a late reading does not shrink an old day.
const fromHoursSql = `
with due as (
  select distinct tenant_id, farm_id, barn_id, device_id, metric, date_trunc('day', hour_start, 'UTC') as day_start
  from (${dueSql}) as hours
)
insert into telemetry_agg
  (tenant_id, farm_id, barn_id, device_id, metric, bucket_start, bucket_size, avg, min, max, sum, count)
select d.tenant_id, d.farm_id, d.barn_id, d.device_id, d.metric, d.day_start, '1d',
       round(sum(a.sum) / sum(a.count), 4), min(a.min), max(a.max), sum(a.sum), sum(a.count)
from due d
join telemetry_agg a
  on a.tenant_id = d.tenant_id and a.farm_id = d.farm_id and a.barn_id = d.barn_id and a.device_id = d.device_id
 and a.metric = d.metric and a.bucket_size = '1h'
 and a.bucket_start >= d.day_start and a.bucket_start < d.day_start + interval '24 hours'
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
${storeSql}`;

async function computeDue(tx: SqlSession, hoursMax: number): Promise<RollUpResult> {
  const lock = await tx.query<{ locked: boolean }>(lockSql);
  if (lock.rows[0]?.locked !== true) return { hours: 0, changed: 0 };
  const { rows } = await tx.query<DueHour>(takeSql, [hoursMax]);
  if (rows.length === 0) return { hours: 0, changed: 0 };
  const due = [
    rows.map((row) => row.tenant_id),
    rows.map((row) => row.farm_id),
    rows.map((row) => row.barn_id),
    rows.map((row) => row.device_id),
    rows.map((row) => row.metric),
    rows.map((row) => row.hour_start.toISOString()),
  ];
  const readings = await tx.query(fromReadingsSql, due);
  const days = await tx.query(fromHoursSql, due);
  return { hours: rows.length, changed: readings.affected + days.affected };
}

/**
 * Computes the aggregates of the oldest marked hours again, from the readings, in one transaction. Late, doubled and shuffled
 * readings end in the same figures, and a second run changes nothing. Call it until `hours` is below `hoursMax`.
 */
export function rollUp(database: Database, options: { readonly hoursMax: number } = { hoursMax: 500 }): Promise<RollUpResult> {
  return database.transaction((tx) => computeDue(tx, options.hoursMax));
}
