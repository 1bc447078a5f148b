import { afterAll, beforeAll, expect, it } from "vitest";
import { BarnFixture } from "../testing/barn-fixture.ts";
import { seededRandom, shuffled } from "../testing/permutations.ts";
import { edgeJobs } from "./edge-jobs.ts";
import type { Job } from "./job-runner.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

let barn: BarnFixture;
let deleted = 0;
beforeAll(async () => {
  barn = await BarnFixture.open();
});
afterAll(() => barn.close());

function job(name: string): Job {
  const jobs = edgeJobs({
    database: barn.database,
    tenant: barn.tenant,
    pastHoursMax: 96,
    refusedRowsMax: 100,
    ackedChangeDays: 30,
    hasParent: false,
    onPruned: () => undefined,
    onDedupeDeleted: (count) => {
      deleted += count;
    },
    onIncomplete: () => undefined,
  });
  const found = jobs.find((item) => item.name === name);
  if (found === undefined) throw new Error(`no job ${name}`);
  return found;
}

const count = async (from: string): Promise<number> =>
  (await barn.rows<{ n: number }>(`select count(*)::int as n from ${from}`))[0]?.n ?? -1;

it("S5.12 aggregates equal the readings for late, doubled and shuffled input, and a second run changes nothing", async () => {
  const random = seededRandom(11);
  const readings = Array.from({ length: 120 }, (_, index) => ({
    atMs: barn.clock.nowMs() - index * 17 * 60_000,
    value: Math.round(random() * 1000) / 10,
  }));
  const messages = readings.map(({ atMs, value }) => barn.telemetry("temperature", value, { atMs }));
  const sent = shuffled([...messages, ...messages.slice(0, 30)], random);
  const rollUp = job("roll-up");
  for (let at = 0; at < sent.length; at += 50) {
    await barn.take(...sent.slice(at, at + 50));
    while ((await rollUp.run(barn.clock.nowMs())).more);
  }
  for (const [size, widthMs] of [
    ["1m", 60_000],
    ["5m", 300_000],
    ["1h", HOUR_MS],
    ["1d", DAY_MS],
  ] as const) {
    const buckets = new Map<number, number[]>();
    for (const { atMs, value } of readings) {
      const start = Math.floor(atMs / widthMs) * widthMs;
      buckets.set(start, [...(buckets.get(start) ?? []), value]);
    }
    const rows = await barn.rows<{ bucket_start: Date; avg: string; min: string; max: string; count: number }>(
      "select bucket_start, avg, min, max, count from telemetry_agg where metric = 'temperature' and bucket_size = $1 order by 1",
      [size],
    );
    const expected = [...buckets].toSorted(([left], [right]) => left - right);
    expect(rows.map((row) => [row.bucket_start.getTime(), Number(row.min), Number(row.max), row.count])).toEqual(
      expected.map(([start, values]) => [start, Math.min(...values), Math.max(...values), values.length]),
    );
    for (const [index, [, values]] of expected.entries()) {
      expect(Number(rows[index]?.avg)).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 3);
    }
  }
  expect(await rollUp.run(barn.clock.nowMs())).toEqual({ done: 0, more: false });
});

it("S5.18 S8.3 S14.4 forgets expired claims in bounded pieces, keeps the others, and counts", async () => {
  await barn.database.query(
    `insert into ingress_dedupe (tenant_id, event_id, expires_at, topic)
     select $1, 'old-' || n, $2::timestamptz, 'x' from generate_series(1, 2300) as n`,
    [barn.tenant, new Date(barn.clock.nowMs() - 1)],
  );
  const kept = await count("ingress_dedupe where event_id not like 'old-%'");
  deleted = 0;
  const pieces: number[] = [];
  for (let more = true; more;) {
    const result = await job("dedupe-cleanup").run(barn.clock.nowMs());
    pieces.push(result.done);
    more = result.more;
  }
  expect(pieces).toEqual([1000, 1000, 300]);
  expect(deleted).toBe(2300);
  expect(await count("ingress_dedupe")).toBe(kept);
});

it("keeps refused messages up to the limit, the newest", async () => {
  await barn.take(
    ...Array.from({ length: 130 }, (_, index) => ({ topic: `wrong/${index}`, payload: new Uint8Array(), lastWill: false })),
  );
  barn.clock.advance(1000);
  await barn.take({ topic: "wrong/last", payload: new Uint8Array(), lastWill: false });
  await job("refused-trim").run(barn.clock.nowMs());
  expect(await count("ingress_refused")).toBe(100);
  expect(await count("ingress_refused where topic = 'wrong/last'")).toBe(1);
});

it("S8.4 makes partitions ahead, over the turn of a year too, and late readings have theirs", async () => {
  const newYearMs = Date.UTC(2027, 0, 1, 1);
  await job("partitions").run(newYearMs);
  barn.clock.advance(newYearMs - barn.clock.nowMs());
  const times = [newYearMs, newYearMs - 2 * HOUR_MS, newYearMs - 3 * DAY_MS, newYearMs + 59 * 60_000];
  await barn.take(...times.map((atMs) => barn.telemetry("turn", 1, { atMs })));
  expect(
    await barn.rows(
      "select tableoid::regclass::text as part, count(*)::int as n from telemetry_raw where metric = 'turn' group by 1 order by 1",
    ),
  ).toEqual([
    { part: "telemetry_raw_p2026_12", n: 2 },
    { part: "telemetry_raw_p2027_01", n: 2 },
  ]);
  expect(await count("pg_class where relname = 'telemetry_raw_p2027_02'")).toBe(1);
  expect(await count("telemetry_raw_default")).toBe(0);
});
