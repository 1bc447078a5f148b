import type { Database } from "@hayloft/engine";
import { eachDatabase } from "@hayloft/engine/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { farmDatabase } from "../testing/farm-database.ts";

const rowCount = 100_000;

interface PlanNode {
  readonly "Node Type": string;
  readonly "Index Name"?: string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

const nodesOf = (node: PlanNode): readonly PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

// 40 devices with 3 metrics over 40 days of two months, for two tenants. Written as the engine applies rows: without capture.
const fillRawSql = `
insert into telemetry_raw (tenant_id, id, farm_id, barn_id, device_id, metric, value, unit, occurred_at, event_id)
select 't' || (n % 2), ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'f', 'b' || (n % 4), 'd' || (n % 40),
       (array['temperature', 'humidity', 'ammonia'])[1 + (n / 40) % 3], (n % 400) / 10.0, 'C',
       date_trunc('month', now()) - interval '20 days' + n * (interval '40 days' / ${rowCount}), 'e' || n
from generate_series(1, ${rowCount}) as n`;

const fillAggSql = `
insert into telemetry_agg (tenant_id, farm_id, barn_id, device_id, metric, bucket_start, bucket_size, avg, min, max, sum, count)
select tenant_id, farm_id, barn_id, device_id, metric, date_trunc('day', occurred_at, 'UTC'), '1d', round(avg(value), 4), min(value), max(value), sum(value), count(*)
from telemetry_raw group by 1, 2, 3, 4, 5, 6`;

eachDatabase("query plans", (open) => {
  let database: Database;
  beforeAll(async () => {
    database = await farmDatabase(open);
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query(fillRawSql);
      await tx.query(fillAggSql);
    });
    await database.script("analyze telemetry_raw; analyze telemetry_agg;");
  }, 180_000);
  afterAll(() => database.close());

  /** Index columns that the plan scans, and tables with rows that it reads whole; reading an empty one whole costs nothing. */
  async function planOf(sql: string): Promise<{ readonly indexed: readonly string[]; readonly whole: readonly string[] }> {
    const { rows } = await database.query<{ "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }>(
      `explain (format json) ${sql}`,
    );
    const nodes = rows.flatMap((row) => row["QUERY PLAN"]).flatMap(({ Plan }) => nodesOf(Plan));
    const names = nodes.flatMap((node) => (node["Index Name"] === undefined ? [] : [node["Index Name"]]));
    const columns = await database.query<{ columns: string }>(
      `select distinct string_agg(a.attname, ',' order by k.ord) as columns
       from pg_class c join pg_index i on i.indexrelid = c.oid, unnest(i.indkey::int2[]) with ordinality k(attnum, ord)
       join pg_attribute a on a.attnum = k.attnum where a.attrelid = i.indrelid and c.relname = any($1::text[]) group by c.oid`,
      [names],
    );
    const whole = nodes.flatMap((node) =>
      node["Node Type"] === "Seq Scan" && node["Relation Name"] !== undefined ? [node["Relation Name"]] : [],
    );
    const filled = await database.query<{ name: string }>(
      "select relname::text as name from pg_class where relname = any($1::text[]) and reltuples > 0",
      [whole],
    );
    return { indexed: columns.rows.map((row) => row.columns).sort(), whole: filled.rows.map((row) => row.name) };
  }

  const recent = "date_trunc('month', now()) + interval '19 days'";

  it("S8.1 the latest readings of a tenant come from (tenant_id, occurred_at)", async () => {
    const plan = await planOf(
      `select * from telemetry_raw where tenant_id = 't1' and occurred_at >= ${recent} order by occurred_at desc limit 100`,
    );
    expect(plan).toEqual({ indexed: ["tenant_id,occurred_at"], whole: [] });
  });

  it("S8.1 the series of a device comes from (tenant_id, device_id, metric, occurred_at)", async () => {
    const plan = await planOf(
      `select occurred_at, value from telemetry_raw where tenant_id = 't1' and device_id = 'd7' and metric = 'temperature' and occurred_at >= ${recent} order by occurred_at desc limit 500`,
    );
    expect(plan).toEqual({ indexed: ["tenant_id,device_id,metric,occurred_at"], whole: [] });
  });

  it("S8.2 aggregates are found by the same two ways", async () => {
    const latest = await planOf(
      `select * from telemetry_agg where tenant_id = 't1' and bucket_start >= ${recent} order by bucket_start desc limit 50`,
    );
    expect(latest).toEqual({ indexed: ["tenant_id,bucket_start"], whole: [] });
    const series = await planOf(
      `select bucket_start, avg from telemetry_agg where tenant_id = 't1' and device_id = 'd7' and metric = 'temperature' and bucket_start >= ${recent} order by bucket_start desc limit 100`,
    );
    expect(series).toEqual({ indexed: ["tenant_id,device_id,metric,bucket_start"], whole: [] });
  });

  it("S7.5 an event is looked up by its key in every month, never by reading a table", async () => {
    const plan = await planOf("select 1 from telemetry_raw where tenant_id = 't1' and event_id = 'e77777'");
    expect(plan).toEqual({ indexed: ["tenant_id,event_id,occurred_at"], whole: [] });
  });

  it("S8.4 a month that is not asked for is not read", async () => {
    const { rows } = await database.query<{ "QUERY PLAN": string }>(
      "explain select count(*) from telemetry_raw where tenant_id = 't1' and occurred_at < '2020-01-01'",
    );
    const text = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(text).toContain("telemetry_raw_default");
    expect(text).not.toMatch(/telemetry_raw_p\d{4}/);
  });
});
