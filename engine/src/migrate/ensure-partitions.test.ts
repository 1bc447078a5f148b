import { expect, it } from "vitest";
import { sampleCatalog } from "../sql/sample-catalog.ts";
import { applying, logOf, sampleDatabase } from "../sql/sample-database.ts";
import type { Database } from "../store/database.ts";
import { eachDatabase } from "../testing/index.ts";
import { ensurePartitions, monthsBetween } from "./ensure-partitions.ts";

const readings = async (database: Database): Promise<readonly { part: string; at: string }[]> =>
  (
    await database.query<{ part: string; at: string }>(
      "select tableoid::regclass::text as part, to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') as at from reading order by occurred_at",
    )
  ).rows;

const insert = (at: string): string =>
  `insert into reading (tenant_id, id, farm_id, device_id, value, occurred_at) values ('t1', gen_random_uuid(), 'f1', 'd', 1, '${at}');`;

it("S8.4 monthsBetween covers both ends, year changes and a single instant", () => {
  const days = (from: string, to: string): string[] =>
    monthsBetween(Date.parse(from), Date.parse(to)).map((month) => `${month.fromDay} ${month.toDay}`);
  expect(days("2025-11-30T23:59:59.999Z", "2026-02-01T00:00:00Z")).toEqual([
    "2025-11-01 2025-12-01",
    "2025-12-01 2026-01-01",
    "2026-01-01 2026-02-01",
    "2026-02-01 2026-03-01",
  ]);
  expect(days("2026-03-31T00:00:00Z", "2026-03-31T00:00:00Z")).toEqual(["2026-03-01 2026-04-01"]);
  expect(days("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z")).toEqual(["2026-03-01 2026-04-01"]);
  expect(days("2026-03-02T00:00:00Z", "2026-02-01T00:00:00Z")).toEqual([]);
});

eachDatabase("ensurePartitions", (open) => {
  it("S8.4 partitions are made ahead once, and rows at the edges of a month, late and future ones find theirs", async () => {
    const database = await sampleDatabase(open, "edge");
    const span = [Date.parse("2027-12-15T00:00:00Z"), Date.parse("2028-02-01T00:00:00Z")] as const;
    const made = await database.transaction(async (tx) => await ensurePartitions(tx, sampleCatalog, ...span));
    expect(made).toEqual(["reading_p2027_12", "reading_p2028_01", "reading_p2028_02"]);
    expect(await database.transaction(async (tx) => await ensurePartitions(tx, sampleCatalog, ...span))).toEqual([]);
    await database.script(
      insert("2027-12-31 23:59:59.999+00") +
        insert("2028-01-01 00:00:00+00") +
        insert("2028-01-31 20:00:00-06") +
        insert("2024-01-01 00:00:00+00"),
    );
    expect(await readings(database)).toEqual([
      { part: "reading_default", at: "2024-01-01 00:00:00.000" },
      { part: "reading_p2027_12", at: "2027-12-31 23:59:59.999" },
      { part: "reading_p2028_01", at: "2028-01-01 00:00:00.000" },
      { part: "reading_p2028_02", at: "2028-02-01 02:00:00.000" },
    ]);
    await database.close();
  });

  it("S8.4 moves waiting rows out of the default partition, without a change in the log, and guards the new partition", async () => {
    const database = await sampleDatabase(open, "edge");
    await database.script(insert("2024-01-05 00:00:00+00") + insert("2024-02-05 00:00:00+00"));
    const before = await logOf(database, "t1");
    await database.transaction(
      async (tx) => await ensurePartitions(tx, sampleCatalog, Date.parse("2024-01-01"), Date.parse("2024-01-31")),
    );
    expect((await readings(database)).map((row) => row.part)).toEqual(["reading_p2024_01", "reading_default"]);
    expect(await logOf(database, "t1")).toEqual(before);
    await expect(database.query("delete from reading_p2024_01")).rejects.toMatchObject({ details: { sqlstate: "HL008" } });
    await database.script(insert("2024-01-06 00:00:00+00"));
    expect(await logOf(database, "t1")).toHaveLength(before.length + 1);
    expect((await readings(database)).map((row) => row.part)).toEqual([
      "reading_p2024_01",
      "reading_p2024_01",
      "reading_default",
    ]);
    await database.close();
  });

  it("keeps foreign keys to and from a partitioned table while rows move", async () => {
    const database = await sampleDatabase(open, "edge");
    await applying(
      database,
      `create table mark (tenant_id text collate "C", reading_id uuid, reading_at timestamptz, primary key (tenant_id, reading_id),
        foreign key (tenant_id, reading_id, reading_at) references reading (tenant_id, id, occurred_at) deferrable initially deferred);
       ${insert("2024-01-05 00:00:00+00")} insert into mark select tenant_id, id, occurred_at from reading`,
    );
    await database.transaction(
      async (tx) => await ensurePartitions(tx, sampleCatalog, Date.parse("2024-01-01"), Date.parse("2024-01-31")),
    );
    expect((await readings(database)).map((row) => row.part)).toEqual(["reading_p2024_01"]);
    await expect(applying(database, "delete from reading")).rejects.toMatchObject({ details: { sqlstate: "23503" } });
    await expect(applying(database, insert("2024-01-09 00:00:00+00").replace("'f1'", "'nowhere'"))).rejects.toMatchObject({
      details: { sqlstate: "23503" },
    });
    await database.close();
  });
});
