import { expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import { text } from "../catalog/column.ts";
import { column, singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { nodeTable } from "../identity/node-table.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { exchange, pullDown, pushUp, TestReplica } from "./test-replica.ts";

const tiers = ["cloud", "edge"] as const;

/** The cloud makes and deletes tasks; an edge may fill in one column. */
const task = table("task", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: { tenant_id: text(), id: text(), name: text(), answer: text().nullable() },
  scope: { tenant: "tenant_id" },
  writers: tiers,
  flow: "both",
  rule: singleWriter("cloud", { columns: { answer: column.lastWriterWins() } }),
  retain: { cloud: forever, edge: forever },
});
const tasks = catalog({
  name: "tasks",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant: "shared",
  tables: [task, nodeTable(tiers)],
});

eachDatabase("rights to write", (open) => {
  const start = async (): Promise<readonly [TestReplica, TestReplica]> => {
    const cloud = await TestReplica.open(open, "cloud", { catalog: tasks });
    const edge = await TestReplica.open(open, "edge", { catalog: tasks });
    await cloud.sql("insert into task values ('t1', 'a', 'Feed', null)");
    await exchange(edge, cloud);
    return [cloud, edge];
  };

  it("F-G6 an update by a tier that may not insert makes no row that is not there", async () => {
    const [cloud, edge] = await start();
    await edge.database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query("insert into task values ('t1', 'b', 'Forged', null)");
    });
    await edge.sql("update task set answer = 'yes'");
    const { outcomes } = await pushUp(edge, cloud);
    expect(outcomes).toMatchObject([{ outcome: "refused", code: "refused-rule" }]);
    expect(await cloud.sql("select id, answer from task")).toEqual([{ id: "a", answer: null }]);
    expect(await edge.sql("select id, answer from task")).toEqual([{ id: "a", answer: null }]);
    await edge.sql("update task set answer = 'again'");
    expect(await pushUp(edge, cloud)).toMatchObject({ outcomes: [] });
    expect(await cloud.sql("select id, answer from task")).toEqual([{ id: "a", answer: "again" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-G6 a later update by a tier that may not insert does not bring a deleted row back, whichever arrives first", async () => {
    const [cloud, edge] = await start();
    await cloud.sql("delete from task");
    await edge.sql("update task set answer = 'too late'");
    const { outcomes } = await pushUp(edge, cloud);
    expect(outcomes).toMatchObject([{ outcome: "refused", code: "refused-rule" }]);
    expect(await edge.sql("select * from task")).toEqual([]);
    await pullDown(edge, cloud);
    expect([await cloud.sql("select * from task"), await edge.sql("select * from task")]).toEqual([[], []]);
    await cloud.sql("insert into task values ('t1', 'a', 'Feed again', null)");
    await exchange(edge, cloud);
    await cloud.sql("delete from task");
    await edge.sql("update task set answer = 'too late'");
    await pullDown(edge, cloud);
    expect(await edge.sql("select * from task")).toEqual([]);
    await pushUp(edge, cloud);
    expect([await cloud.sql("select * from task"), await edge.sql("select * from task")]).toEqual([[], []]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
