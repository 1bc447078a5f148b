import { randomUUID } from "node:crypto";
import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { eachDatabase } from "@hayloft/engine/testing";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { farmDatabase } from "../testing/farm-database.ts";
import type { BucketSize } from "./bucket.ts";
import { bucketStartMs, bucketWidthMs } from "./bucket.ts";
import type { TelemetryReading } from "./insert-telemetry.ts";
import { insertTelemetry, markDue } from "./insert-telemetry.ts";
import { rollUp } from "./roll-up.ts";

const sizes: readonly BucketSize[] = ["1m", "5m", "1h", "1d"];
const startMs = Date.UTC(2026, 9, 31, 22, 0, 0);

function reading(tenant: string, over: Partial<TelemetryReading> & { readonly atMs?: number } = {}): TelemetryReading {
  const { atMs = startMs, ...rest } = over;
  return {
    id: newId(),
    tenant_id: tenant,
    farm_id: "f",
    barn_id: "b",
    device_id: "d",
    metric: "temperature",
    value: "1.0000",
    unit: "C",
    occurred_at: new Date(atMs),
    event_id: randomUUID(),
    trace_id: null,
    ...rest,
  };
}

interface Bucket {
  readonly device_id: string;
  readonly size: string;
  readonly startMs: number;
  readonly avg: string;
  readonly min: string;
  readonly max: string;
  readonly count: number;
}

const tenThousandths = (value: string): bigint => BigInt(value.replace(".", ""));

function decimal(value: bigint): string {
  const digits = String(value < 0n ? -value : value).padStart(5, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

/** Half away from zero, as `round(numeric)` does. */
function divided(sum: bigint, count: bigint): bigint {
  const doubled = 2n * (sum < 0n ? -sum : sum) + count;
  const quotient = doubled / (2n * count);
  return sum < 0n ? -quotient : quotient;
}

/** The aggregates of readings, the slow and obvious way. */
function bruteForce(readings: readonly TelemetryReading[]): readonly Bucket[] {
  const groups = new Map<string, TelemetryReading[]>();
  for (const row of readings) {
    for (const size of sizes) {
      const key = [row.device_id, size, bucketStartMs(row.occurred_at.getTime(), size)].join(" ");
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
  }
  return [...groups].map(([key, rows]): Bucket => {
    const [device_id = "", size = "", start = ""] = key.split(" ");
    const values = rows.map((row) => tenThousandths(row.value)).sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
    const sum = values.reduce((left, right) => left + right, 0n);
    return {
      device_id,
      size,
      startMs: Number(start),
      avg: decimal(divided(sum, BigInt(values.length))),
      min: decimal(values[0] ?? 0n),
      max: decimal(values.at(-1) ?? 0n),
      count: values.length,
    };
  });
}

async function storedBuckets(database: Database, tenant: string): Promise<readonly Bucket[]> {
  const { rows } = await database.query<Omit<Bucket, "startMs"> & { bucket_start: Date }>(
    `select device_id, bucket_size as size, bucket_start, avg, min, max, count from telemetry_agg where tenant_id = $1`,
    [tenant],
  );
  return rows.map(({ bucket_start, ...row }) => ({ ...row, startMs: bucket_start.getTime() }));
}

const byKey = (left: Bucket, right: Bucket): number =>
  `${left.device_id} ${left.size} ${left.startMs}` < `${right.device_id} ${right.size} ${right.startMs}` ? -1 : 1;

async function rollUpAll(database: Database): Promise<number> {
  let changed = 0;
  for (;;) {
    const result = await rollUp(database, { hoursMax: 3 });
    changed += result.changed;
    if (result.hours < 3) return changed;
  }
}

const store = (database: Database, readings: readonly TelemetryReading[]) =>
  database.transaction((tx) => insertTelemetry(tx, readings));

const drawn = fc.record({
  event_id: fc.integer({ min: 0, max: 60 }).map((number) => `event-${number}`),
  device: fc.constantFrom("d1", "d2"),
  minute: fc.integer({ min: 0, max: 60 * 30 }),
  value: fc.integer({ min: -999_999, max: 999_999 }),
});

/** Batches of readings as they arrive: shuffled, doubled, days of two months apart. */
const arrivals = fc.array(fc.array(drawn, { minLength: 1, maxLength: 25 }), { minLength: 1, maxLength: 5 });

describe("buckets", () => {
  it("S5.12 a bucket holds its instant and starts on a multiple of its width", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 4e12 }), fc.constantFrom(...sizes), (atMs, size) => {
        const start = bucketStartMs(atMs, size);
        expect(start <= atMs && atMs < start + bucketWidthMs[size]).toBe(true);
        expect(Math.abs(start % bucketWidthMs[size])).toBe(0);
      }),
    );
  });
});

eachDatabase("telemetry", (open) => {
  let database: Database;
  let tenants = 0;
  const newTenant = (): string => `t-${(tenants += 1)}`;

  beforeAll(async () => {
    database = await farmDatabase(open);
    // Registry rows as the hub would have sent them.
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.script(`
        insert into tenants (tenant_id, id, name) values ('tb', 'tb', 'Batches');
        insert into farms (tenant_id, id, name) values ('tb', 'f', 'Farm');
        insert into barns (tenant_id, id, farm_id, name) values ('tb', 'b', 'f', 'Barn');
        insert into batches (tenant_id, id, farm_id, barn_id, species, start_date, end_date, status) values
          ('tb', 'spring', 'f', 'b', 'chicken', '2026-03-01', '2026-04-12', 'completed'),
          ('tb', 'mistake', 'f', 'b', 'chicken', '2026-03-05', null, 'cancelled'),
          ('tb', 'autumn', 'f', 'b', 'chicken', '2026-09-20', null, 'active');`);
    });
  });
  afterAll(() => database.close());

  it("S5.12 S6.3 aggregates equal a brute-force computation for random, late, shuffled and doubled readings", async () => {
    await fc.assert(
      fc.asyncProperty(arrivals, async (batches) => {
        const tenant = newTenant();
        const kept = new Map<string, TelemetryReading>();
        for (const batch of batches) {
          const readings = batch.map((item) =>
            reading(tenant, {
              event_id: item.event_id,
              device_id: item.device,
              atMs: startMs + item.minute * 60_000 + (item.value & 0xffff),
              value: decimal(BigInt(item.value)),
            }),
          );
          for (const row of readings) if (!kept.has(row.event_id)) kept.set(row.event_id, row);
          await store(database, readings);
          if (batch.length % 2 === 0) await rollUpAll(database);
        }
        await rollUpAll(database);
        expect([...(await storedBuckets(database, tenant))].sort(byKey)).toEqual([...bruteForce([...kept.values()])].sort(byKey));
      }),
      { numRuns: 12 },
    );
  });

  it("S5.12 a second run changes nothing, and so does marking an hour again", async () => {
    const tenant = newTenant();
    const readings = [reading(tenant), reading(tenant, { atMs: startMs + 90_000, value: "3.0000" })];
    await store(database, readings);
    expect(await rollUpAll(database)).toBe(5);
    expect(await rollUpAll(database)).toBe(0);
    await database.transaction((tx) => markDue(tx, readings));
    expect(await rollUpAll(database)).toBe(0);
  });

  it("S9.8 a late mark after the readings aged away leaves the aggregates as they are", async () => {
    const tenant = newTenant();
    const readings = [reading(tenant), reading(tenant, { atMs: startMs + 1_000, value: "3.0000" })];
    await store(database, readings);
    await rollUpAll(database);
    const before = await storedBuckets(database, tenant);
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query("delete from telemetry_raw where tenant_id = $1", [tenant]);
    });
    await store(database, [reading(tenant, { atMs: startMs + 2_000, value: "9.0000" })]);
    await rollUpAll(database);
    expect([...(await storedBuckets(database, tenant))].sort(byKey)).toEqual([...before].sort(byKey));
  });

  it("S7.5 S10.2 the same event under another time is stored once, in one call, in two calls, and in another month", async () => {
    const tenant = newTenant();
    const first = reading(tenant, { event_id: "same" });
    const others = [1, 86_400_000, 40 * 86_400_000].map((laterMs) =>
      reading(tenant, { event_id: "same", atMs: startMs + laterMs }),
    );
    expect(await store(database, [first, ...others])).toEqual(["same"]);
    expect(await store(database, others)).toEqual([]);
    const { rows } = await database.query("select id::text, occurred_at from telemetry_raw where tenant_id = $1", [tenant]);
    expect(rows).toEqual([{ id: first.id, occurred_at: first.occurred_at }]);
  });

  it("P-C12 the same event id of two tenants is two events", async () => {
    const [one, two] = [newTenant(), newTenant()];
    expect(await store(database, [reading(one, { event_id: "x" }), reading(two, { event_id: "x" })])).toHaveLength(2);
    const { rows } = await database.query<{ n: number }>(
      "select count(*)::int as n from telemetry_raw where tenant_id in ($1, $2)",
      [one, two],
    );
    expect(rows).toEqual([{ n: 2 }]);
  });

  it.each([
    ["2026-02-28T23:59:59Z", null],
    ["2026-03-01T00:00:00Z", "spring"],
    ["2026-03-10T12:00:00Z", "spring"],
    ["2026-04-12T23:59:59Z", "spring"],
    ["2026-04-13T00:00:00Z", null],
    ["2026-11-01T00:00:00Z", "autumn"],
  ])("S5.11 a reading of %s belongs to the batch %s, however late it comes", async (at, batch) => {
    const event_id = randomUUID();
    await store(database, [reading("tb", { event_id, atMs: Date.parse(at) })]);
    const { rows } = await database.query("select batch_id from telemetry_raw where tenant_id = 'tb' and event_id = $1", [
      event_id,
    ]);
    expect(rows).toEqual([{ batch_id: batch }]);
  });

  it("S5.11 P-C18 a value keeps its four digits", async () => {
    const tenant = newTenant();
    for (const value of ["0.0001", "-99999999.9999", "21.5000", "99999999.9999"]) {
      const event_id = randomUUID();
      await store(database, [reading(tenant, { event_id, value })]);
      const { rows } = await database.query("select value from telemetry_raw where tenant_id = $1 and event_id = $2", [
        tenant,
        event_id,
      ]);
      expect(rows).toEqual([{ value }]);
    }
  });

  it("S8.4 readings of a month without a partition are stored, two years old and a year ahead alike", async () => {
    const tenant = newTenant();
    const times = [Date.UTC(2024, 10, 30, 23, 59, 59, 999), Date.UTC(2027, 11, 31, 23, 59, 59, 999), Date.UTC(2028, 0, 1)];
    expect(
      await store(
        database,
        times.map((atMs) => reading(tenant, { atMs })),
      ),
    ).toHaveLength(3);
    const { rows } = await database.query(
      "select distinct tableoid::regclass::text as part from telemetry_raw where tenant_id = $1",
      [tenant],
    );
    expect(rows).toEqual([{ part: "telemetry_raw_default" }]);
  });

  it("P-C1 a transaction that fails stores neither readings nor marks", async () => {
    const tenant = newTenant();
    const failing = database.transaction(async (tx) => {
      await insertTelemetry(tx, [reading(tenant)]);
      throw new Error("power cut");
    });
    await expect(failing).rejects.toThrow("power cut");
    for (const table of ["telemetry_raw", "telemetry_rollup_due"]) {
      expect((await database.query(`select 1 from ${table} where tenant_id = $1`, [tenant])).rows).toEqual([]);
    }
  });

  it("readings that arrive while a roll-up runs are in the next one", async () => {
    const tenant = newTenant();
    await store(database, [reading(tenant)]);
    await Promise.all([rollUpAll(database), store(database, [reading(tenant, { value: "2.0000" })]), rollUpAll(database)]);
    await rollUpAll(database);
    const hour = (await storedBuckets(database, tenant)).find((bucket) => bucket.size === "1h");
    expect(hour).toMatchObject({ count: 2, avg: "1.5000" });
  });
});
