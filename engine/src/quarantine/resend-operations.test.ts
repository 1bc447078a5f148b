import { expect, it } from "vitest";
import { openMemoryFarm } from "../apply/memory-farm.ts";
import { exchange, pullDown, pushUp, TENANT } from "../apply/test-replica.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { editCells } from "./edit-cells.ts";

it("a refused commit that is sent again does once more what it did: differences, additions and removals", async () => {
  const farm = await openMemoryFarm(freshPglite);
  const { cloud, edge, settle } = farm;
  await edge.sql(`insert into stock (tenant_id, id, on_hand, labels) values ('t1', 's1', 100, '["a", "b"]')`);
  await settle();
  await cloud.database.script("alter table stock add constraint named check (name <> 'bad')");
  await edge.database.transaction(async (tx) => {
    await tx.query(`update stock set on_hand = on_hand - 5, labels = '["b", "c"]', name = 'bad'`);
    await tx.query("update stock set on_hand = on_hand - 2, moves = 9, weight = 1.50");
  });
  await pushUp(edge, cloud);
  expect(await edge.sql("select on_hand, labels from stock")).toEqual([{ on_hand: 100, labels: ["a", "b"] }]);
  await cloud.sql(`update stock set on_hand = on_hand + 50, moves = 100, labels = labels || '["d"]'`);
  await pullDown(edge, cloud);
  await edge.sql("update stock set on_hand = on_hand + 1");
  const [head] = await edge.storage.heads([TENANT]);
  const name = { tenant: TENANT, origin: head?.incarnation ?? "", seq: 2 };
  await edge.storage.quarantine.resend(name, {
    edit: (changes) =>
      editCells(editCells(changes, [{ table: "stock", column: "name", value: "good" }]), [
        { table: "stock", column: "moves", value: "7" },
      ]),
  });
  await exchange(edge, cloud);
  await settle();
  // What a person corrects is the value; everything else is what the commit did.
  const row = { on_hand: 144, labels: ["b", "c", "d"], name: "good", moves: 7, weight: "1.50" };
  for (const replica of [cloud, edge, farm.tablet])
    expect(await replica.sql("select on_hand, labels, name, moves, weight from stock")).toEqual([row]);
  await farm.close();
});
