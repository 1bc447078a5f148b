import { expect, it } from "vitest";
import { eachDatabase } from "../testing/each-database.ts";
import { CrashError, failingDatabase } from "./failing-database.ts";
import { openMemoryFarm } from "./memory-farm.ts";

eachDatabase("counters", (open) => {
  it("every difference that plain SQL made anywhere counts once, everywhere", async () => {
    const { cloud, edge, tablet, settle, close } = await openMemoryFarm(open);
    await edge.sql("insert into stock (tenant_id, id, on_hand, weight) values ('t1', 's1', 100, 7.5)");
    await settle();
    await cloud.sql("update stock set on_hand = on_hand - 5, weight = weight * 2");
    await edge.sql("update stock set on_hand = 90, name = 'feed'");
    await tablet.sql("update stock set on_hand = on_hand + 1");
    await tablet.sql("update stock set on_hand = on_hand + 1, moves = 9007199254740993");
    await tablet.database.transaction(async (tx) => {
      await tx.query("update stock set on_hand = on_hand + 1");
      await tx.query("update stock set on_hand = on_hand + 2 where id = 's1'");
    });
    await settle();
    const row = { on_hand: 90, weight: "15.00", moves: "9007199254740993", name: "feed" };
    for (const replica of [cloud, edge, tablet]) {
      expect(await replica.sql("select on_hand, weight, moves::text as moves, name from stock")).toEqual([row]);
    }
    await close();
  });

  it("F-G11 a difference counts once, however often, after whatever crash and on whatever way its commit comes", async () => {
    const { cloud, edge, tablet, settle, close } = await openMemoryFarm(open);
    await edge.sql("insert into stock (tenant_id, id, on_hand) values ('t1', 's1', 100)");
    await settle();
    await tablet.sql("update stock set on_hand = on_hand - 5");
    await tablet.sql("update stock set on_hand = on_hand + 2");
    const onHand = async (replica: typeof cloud) => (await replica.sql("select on_hand from stock"))[0]?.["on_hand"];
    for (const [child, parent] of [
      [tablet, edge],
      [tablet, cloud],
      [edge, cloud],
    ] as const) {
      const slice = await child.slice(parent, "up", 0);
      const request = { peer: child.nodeId, from: "child", grant: child.grant(), slice } as const;
      // The answer to the first attempt is lost, before or after its commit.
      for (const moment of ["atCommit", "afterCommit"] as const) {
        const crashing = parent.over(failingDatabase(parent.database, moment)).apply(request);
        await expect(crashing).rejects.toBeInstanceOf(CrashError);
      }
      for (let round = 0; round < 2; round += 1) await parent.storage.apply(request);
      expect(await onHand(parent)).toBe(97);
    }
    await settle();
    for (const replica of [cloud, edge, tablet]) expect(await onHand(replica)).toBe(97);
    await close();
  });

  it("a row that is deleted and inserted again counts on from what is inserted", async () => {
    const { cloud, edge, tablet, settle, close } = await openMemoryFarm(open);
    await edge.sql("insert into stock (tenant_id, id, on_hand) values ('t1', 's1', 100)");
    await settle();
    await tablet.sql("update stock set on_hand = on_hand + 7");
    await edge.sql("delete from stock");
    await edge.sql("insert into stock (tenant_id, id, on_hand) values ('t1', 's1', 20)");
    await settle();
    for (const replica of [cloud, edge, tablet])
      expect(await replica.sql("select on_hand from stock")).toEqual([{ on_hand: 27 }]);
    await close();
  });

  it("a commit that is sealed early and extended counts its differences once", async () => {
    const { cloud, edge, tablet, settle, close } = await openMemoryFarm(open);
    await edge.database.transaction(async (tx) => {
      await tx.query("insert into stock (tenant_id, id, on_hand) values ('t1', 's1', 1)");
      await tx.script("set constraints all immediate");
      await tx.query("update stock set on_hand = on_hand + 1");
      await tx.query("update stock set on_hand = on_hand + 1");
    });
    await cloud.sql("insert into stock (tenant_id, id, on_hand) values ('t1', 's1', 10)");
    await settle();
    for (const replica of [cloud, edge, tablet])
      expect(await replica.sql("select on_hand from stock")).toEqual([{ on_hand: 13 }]);
    await close();
  });
});
