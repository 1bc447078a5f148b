import { afterAll, beforeAll, expect, it } from "vitest";
import { type MemoryFarm, openMemoryFarm } from "../apply/memory-farm.ts";
import { exchange, pullDown, pushUp, TENANT, type TestReplica } from "../apply/test-replica.ts";
import { listLosses } from "../journal/list-losses.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { fill } from "./fill-replica.ts";

const losses = async (replica: TestReplica, ids: readonly string[]): Promise<readonly unknown[]> =>
  (await listLosses(replica.database, { tenant: TENANT })).entries
    .filter(({ key }) => ids.includes(key[0] ?? ""))
    .map(({ id, table, column, lost, won }) => [id, table, column, lost.value, won.value]);

let farm: MemoryFarm;
beforeAll(async () => {
  farm = await openMemoryFarm(freshPglite);
}, 180_000);
afterAll(async () => await farm.close());

it("a replica that took a snapshot after a delete agrees on a change of the deleted row that comes late", async () => {
  const { cloud, edge, tablet, settle } = farm;
  const tables = ["pen", "gate", "herd"];
  for (const table of tables) await edge.sql(`insert into ${table} (tenant_id, id, name, heads) values ('t1', 'r1', 'old', 3)`);
  await edge.sql("insert into lot (tenant_id, id, best, first_by, cost) values ('t1', 'r1', 10, 'ann', 7)");
  await settle();
  for (const table of tables) await tablet.sql(`update ${table} set name = 'late', heads = heads + 1 where id = 'r1'`);
  for (const table of tables) await cloud.sql(`delete from ${table} where id = 'r1'`);
  await cloud.sql("delete from lot");
  const fresh = await farm.another("edge");
  const freshTablet = await farm.another("tablet");
  await fill(fresh, cloud, { bytesMax: 300 });
  await fill(freshTablet, cloud);
  // Nothing of this row is here but what the snapshot says of its end.
  for (const replica of [fresh, freshTablet])
    await expect(
      replica.sql("insert into lot (tenant_id, id, best, first_by) values ('t1', 'r1', 4, 'ann')"),
    ).rejects.toMatchObject({
      details: { sqlstate: "HL004" },
    });
  await settle();
  await cloud.sql("insert into lot (tenant_id, id, best, first_by, cost) values ('t1', 'r1', 12, 'ann', 1)");
  await settle();
  for (const replica of [fresh, freshTablet]) {
    await pullDown(replica, cloud);
    for (const table of tables)
      expect([table, await replica.sql(`select name, heads from ${table} where id = 'r1'`)]).toEqual([
        table,
        await cloud.sql(`select name, heads from ${table} where id = 'r1'`),
      ]);
    expect(await replica.sql("select best, first_by from lot")).toEqual([{ best: 12, first_by: "ann" }]);
  }
  expect(await fresh.sql("select cost from lot")).toEqual(await cloud.sql("select cost from lot"));
  expect(await freshTablet.sql("select stamps::text as stamps from hayloft.row_state where table_name = 'lot'")).not.toEqual([
    expect.objectContaining({ stamps: expect.stringContaining("cost") }),
  ]);
});

it("what a page of a snapshot replaces of one's own unsent work is in the journal, as the entry that the parent makes of it", async () => {
  const { cloud, edge } = farm;
  await edge.sql("insert into pen (tenant_id, id, name) values ('t1', 'p1', 'first'), ('t1', 'p2', 'first')");
  await exchange(edge, cloud);
  await edge.sql("update pen set name = 'of the edge' where id = 'p1'");
  await edge.sql("delete from pen where id = 'p2'");
  await cloud.sql("update pen set name = 'of the cloud' where id in ('p1', 'p2')");
  await fill(edge, cloud);
  expect(await edge.sql("select id, name from pen where id in ('p1', 'p2') order by id")).toEqual([
    { id: "p1", name: "of the cloud" },
    { id: "p2", name: "of the cloud" },
  ]);
  const noticed = await losses(edge, ["p1", "p2"]);
  expect(noticed.map((entry) => (entry as readonly unknown[]).slice(1))).toEqual(
    expect.arrayContaining([
      ["pen", "name", "of the edge", "of the cloud"],
      ["pen", "$deleted", null, "of the cloud"],
    ]),
  );
  expect(noticed).toHaveLength(2);
  await pushUp(edge, cloud);
  expect(new Set(await losses(cloud, ["p1", "p2"]))).toEqual(new Set(noticed));
  expect(await losses(edge, ["p1", "p2"])).toHaveLength(2);
});

it("what the parent had before a snapshot and others overwrote is no loss", async () => {
  const { cloud, edge } = farm;
  await edge.sql("insert into pen (tenant_id, id, name) values ('t1', 'p3', 'first')");
  await exchange(edge, cloud);
  await cloud.sql("update pen set name = 'corrected' where id = 'p3'");
  await edge.sql("insert into pen (tenant_id, id, name) values ('t1', 'p4', 'unsent')");
  await fill(edge, cloud);
  expect(await losses(edge, ["p3", "p4"])).toEqual([]);
});
