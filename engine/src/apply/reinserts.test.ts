import { afterAll, beforeAll, expect, it } from "vitest";
import { stampOfMs } from "../clock/hybrid-clock.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { type MemoryFarm, openMemoryFarm } from "./memory-farm.ts";
import { exchange, pullDown, pushUp, TENANT, type TestReplica } from "./test-replica.ts";

const LOT = "select best, least, is_done, stage, first_by from lot where id like $1 order by id";

async function equal({ cloud, edge, tablet }: MemoryFarm, id: string): Promise<readonly unknown[]> {
  const [first = [], ...others] = await Promise.all(
    [cloud, edge, tablet].map(async (replica) => await replica.sql(LOT, [`${id}%`])),
  );
  for (const other of others) expect(other).toEqual(first);
  return first;
}

const insert = (cells: string, id = "known"): string =>
  `insert into lot (tenant_id, id, best, least, is_done, stage, first_by) values ('t1', '${id}', ${cells})`;

let farm: MemoryFarm;
beforeAll(async () => {
  farm = await openMemoryFarm(freshPglite);
}, 180_000);
afterAll(async () => await farm.close());

it("a row that is deleted and inserted again goes on from what its one-way columns had reached", async () => {
  const { cloud, edge, settle } = farm;
  await edge.sql(insert("10, 10, true, 'held', 'ann'"));
  await settle();
  await edge.sql("delete from lot");
  await settle();
  const back: readonly (readonly [string, string, string])[] = [
    ["9, 10, true, 'held', 'ann'", "HL004", "best"],
    ["10, 11, true, 'held', 'ann'", "HL004", "least"],
    ["null, 10, true, 'held', 'ann'", "HL004", "best"],
    ["10, 10, false, 'held', 'ann'", "HL004", "is_done"],
    ["10, 10, true, 'open', 'ann'", "HL004", "stage"],
    ["10, 10, true, 'held', 'bob'", "HL006", "first_by"],
    ["10, 10, true, 'held', null", "HL006", "first_by"],
  ];
  for (const replica of [edge, cloud]) {
    for (const [cells, sqlstate, column] of back)
      await expect(replica.sql(insert(cells))).rejects.toMatchObject({ details: { sqlstate, column } });
  }
  await cloud.sql(insert("11, 9, true, 'closed', 'ann'"));
  await settle();
  expect(await equal(farm, "known")).toEqual([{ best: 11, least: 9, is_done: true, stage: "closed", first_by: "ann" }]);
  await expect(
    cloud.database.transaction(async (tx) => {
      await tx.query("delete from lot");
      await tx.query(insert("1, 9, true, 'closed', 'ann'"));
    }),
  ).rejects.toMatchObject({ details: { sqlstate: "HL004" } });
  await cloud.database.transaction(async (tx) => {
    await tx.query("delete from lot");
    await tx.query(insert("12, 9, true, 'closed', 'ann'"));
    await tx.query("insert into lot (tenant_id, id, best) values ('t1', 'known2', 1)");
  });
  await settle();
  expect(await equal(farm, "known")).toHaveLength(2);
});

it("an insert that did not know how far the deleted row had come ends the same everywhere", async () => {
  const { cloud, edge, tablet, settle } = farm;
  await edge.sql(insert("10, 10, false, 'open', null", "apart"));
  await settle();
  await cloud.sql("update lot set best = 20, first_by = 'cloud' where id = 'apart'");
  await tablet.sql("delete from lot where id = 'apart'");
  await tablet.sql(insert("12, 8, true, 'held', 'tablet'", "apart"));
  await settle();
  await exchange(tablet, edge);
  await pullDown(tablet, edge);
  expect(await equal(farm, "apart")).toEqual([{ best: 20, least: 8, is_done: true, stage: "held", first_by: "cloud" }]);
});

it("F-C3 what is inserted again by a clock of tomorrow stays later than what its writer had seen when it is stamped anew", async () => {
  const { cloud, edge, tablet, settle } = farm;
  const put = (days: number): string => `insert into stock (tenant_id, id, days) values ('t1', 'tomorrow', ${String(days)})`;
  const setClock = async (replica: TestReplica, aheadMs: number): Promise<void> =>
    void (await replica.sql("update hayloft.head set stamp = $1 where tenant_id = 't1'", [stampOfMs(Date.now() + aheadMs)]));
  await edge.sql(put(1));
  await settle();
  // The hub's clock is ahead as well, by less than matters.
  await setClock(cloud, 60_000);
  await setClock(tablet, 86_400_000);
  await tablet.sql("delete from stock where id = 'tomorrow'");
  await cloud.sql("update stock set days = 3 where id = 'tomorrow'");
  await exchange(edge, cloud);
  await pullDown(tablet, edge);
  await tablet.sql(put(2));
  await expect(pushUp(tablet, edge)).rejects.toSatisfy((error: unknown) => isHayloftError(error, "clock-ahead"));
  await tablet.storage.restampUnacknowledged(edge.nodeId, TENANT);
  await settle();
  for (const replica of [cloud, edge, tablet]) {
    expect(await replica.sql("select days from stock where id = 'tomorrow'")).toEqual([{ days: 2 }]);
    expect(await replica.sql("select row_key from hayloft.open_review where row_key = 'tomorrow'")).toEqual([]);
  }
});
