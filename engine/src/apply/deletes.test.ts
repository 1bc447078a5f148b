import { expect, it } from "vitest";
import { eachDatabase } from "../testing/each-database.ts";
import { type MemoryFarm, openMemoryFarm } from "./memory-farm.ts";

const rows = async ({ cloud, edge, tablet }: MemoryFarm, table: string): Promise<readonly unknown[]> => {
  const all = await Promise.all(
    [cloud, edge, tablet].map(async (replica) => await replica.sql(`select name, heads from ${table}`)),
  );
  expect(all[1]).toEqual(all[0]);
  expect(all[2]).toEqual(all[0]);
  return all[0] ?? [];
};

const tables = ["pen", "gate", "herd"];

/** A row in each table that everybody has; then the tablet does the first and the edge, later, the second. */
async function meeting(farm: MemoryFarm, first: string, second: string): Promise<void> {
  for (const table of tables)
    await farm.edge.sql(`insert into ${table} (tenant_id, id, name, heads) values ('t1', 'r1', 'old', 3)`);
  await farm.settle();
  for (const table of tables) {
    await farm.tablet.sql(first.replace("$table", table));
    await farm.edge.sql(second.replace("$table", table));
  }
  await farm.settle();
}

const UPDATE = "update $table set name = 'new', heads = heads + 1";
const DELETE = "delete from $table";

eachDatabase("deletes against concurrent updates", (open) => {
  it("an update before a concurrent delete keeps the row only where updates win", async () => {
    const farm = await openMemoryFarm(open);
    await meeting(farm, UPDATE, DELETE);
    expect(await rows(farm, "pen")).toEqual([]);
    expect(await rows(farm, "gate")).toEqual([]);
    expect(await rows(farm, "herd")).toEqual([{ name: "new", heads: 4 }]);
    await farm.close();
  });

  it("an update after a concurrent delete keeps the row unless deletes win", async () => {
    const farm = await openMemoryFarm(open);
    await meeting(farm, DELETE, UPDATE);
    expect(await rows(farm, "pen")).toEqual([{ name: "new", heads: 4 }]);
    expect(await rows(farm, "gate")).toEqual([]);
    expect(await rows(farm, "herd")).toEqual([{ name: "new", heads: 4 }]);
    await farm.close();
  });

  it("what a delete has seen goes, and an insert brings the row back, under each outcome", async () => {
    const farm = await openMemoryFarm(open);
    await meeting(farm, "select 1 from $table", UPDATE);
    for (const table of tables) await farm.cloud.sql(`delete from ${table}`);
    await farm.settle();
    for (const table of tables) expect(await rows(farm, table)).toEqual([]);
    for (const table of tables)
      await farm.tablet.sql(`insert into ${table} (tenant_id, id, name, heads) values ('t1', 'r1', 'again', 1)`);
    await farm.settle();
    for (const table of tables) expect(await rows(farm, table)).toEqual([{ name: "again", heads: 1 }]);
    await farm.close();
  });

  it("a row deleted and inserted again in one transaction is there everywhere", async () => {
    const farm = await openMemoryFarm(open);
    await meeting(farm, "select 1 from $table", UPDATE);
    await farm.edge.database.transaction(async (tx) => {
      for (const table of tables) {
        await tx.query(`delete from ${table}`);
        await tx.query(`insert into ${table} (tenant_id, id, name, heads) values ('t1', 'r1', 'whole', 7)`);
      }
    });
    await farm.settle();
    for (const table of tables) expect(await rows(farm, table)).toEqual([{ name: "whole", heads: 7 }]);
    await farm.close();
  });
});
