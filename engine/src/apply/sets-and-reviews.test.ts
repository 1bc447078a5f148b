import { expect, it } from "vitest";
import { eachDatabase } from "../testing/each-database.ts";
import { type MemoryFarm, openMemoryFarm } from "./memory-farm.ts";

const everywhere = async ({ cloud, edge, tablet }: MemoryFarm, sql: string, row: Record<string, unknown>): Promise<void> => {
  for (const replica of [cloud, edge, tablet]) expect(await replica.sql(sql)).toEqual([row]);
};

const openReviews = "select row_key, column_name, versions from hayloft.open_review order by column_name";

eachDatabase("sets and reviews", (open) => {
  it("a set keeps concurrent additions, and a removal takes away what its writer had seen", async () => {
    const farm = await openMemoryFarm(open);
    await farm.edge.sql(`insert into stock (tenant_id, id, labels) values ('t1', 's1', '["b", "a", "b"]')`);
    await everywhere({ ...farm, cloud: farm.edge, tablet: farm.edge }, "select labels from stock", { labels: ["a", "b"] });
    await farm.settle();
    await farm.cloud.sql(`update stock set labels = '["b", "Z", "a", "new"]'`);
    await farm.tablet.sql(`update stock set labels = '["b"]'`);
    await farm.edge.database.transaction(async (tx) => {
      await tx.query(`update stock set labels = '["x"]'`);
      await tx.query(`update stock set labels = labels || '["a"]'`);
    });
    await farm.settle();
    // The edge added its own a again after it had removed the first.
    await everywhere(farm, "select labels from stock", { labels: ["Z", "a", "new", "x"] });
    await farm.cloud.sql(`update stock set labels = labels - 'x'`);
    await farm.settle();
    await everywhere(farm, "select labels from stock", { labels: ["Z", "a", "new"] });
    await farm.close();
  });

  it("a set that is none is refused with what to write instead", async () => {
    const farm = await openMemoryFarm(open);
    for (const value of [`'{"a": 1}'`, `'"a"'`, `'[1]'`, `'["a", null]'`]) {
      const refused = farm.edge.sql(`insert into stock (tenant_id, id, labels) values ('t1', 's1', ${value})`);
      await expect(refused).rejects.toMatchObject({ details: { sqlstate: "HL015" } });
    }
    await farm.close();
  });

  it("a review keeps both values until a person decides, also for the one that shows", async () => {
    const farm = await openMemoryFarm(open);
    const { cloud, edge, tablet, settle } = farm;
    await edge.sql("insert into stock (tenant_id, id, days, place) values ('t1', 's1', 1, 'shelf')");
    await settle();
    await edge.sql("update stock set days = 7");
    await edge.sql("update stock set days = 5, place = 'edge'");
    await tablet.sql("update stock set days = 10, place = 'tablet'");
    await settle();
    await everywhere(farm, "select days, place from stock", { days: 10, place: "edge" });
    const version = (value: string, replica: typeof edge): unknown =>
      expect.objectContaining({ value, tier: replica.tier, node: replica.nodeId });
    for (const replica of [cloud, edge, tablet]) {
      expect(await replica.sql(openReviews)).toEqual([
        { row_key: "s1", column_name: "days", versions: expect.toSatisfy((list) => Array.isArray(list) && list.length === 2) },
        { row_key: "s1", column_name: "place", versions: [version("edge", edge), version("tablet", tablet)] },
      ]);
    }
    await cloud.sql("update stock set place = 'cellar'");
    await cloud.database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.deciding', 'stock.days', true)");
      await tx.query("update stock set days = 10");
    });
    await settle();
    await everywhere(farm, "select days, place from stock", { days: 10, place: "cellar" });
    for (const replica of [cloud, edge, tablet]) expect(await replica.sql(openReviews)).toEqual([]);
    await farm.close();
  });

  it("values written one after the other are no conflict", async () => {
    const farm = await openMemoryFarm(open);
    await farm.edge.sql("insert into stock (tenant_id, id, days) values ('t1', 's1', 1)");
    await farm.settle();
    for (const replica of [farm.tablet, farm.cloud, farm.edge]) {
      await replica.sql("update stock set days = days + 1");
      await farm.settle();
    }
    await everywhere(farm, "select days from stock", { days: 4 });
    for (const replica of [farm.cloud, farm.edge, farm.tablet]) expect(await replica.sql(openReviews)).toEqual([]);
    await farm.close();
  });
});
