import { expect, it } from "vitest";
import { pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { lintCatalog } from "../catalog/lint-catalog.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { listQuarantine } from "./held-commit.ts";
import { forest } from "./test-forest.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

async function grow(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud", { catalog: forest });
  const edge = await TestReplica.open(open, "edge", { catalog: forest });
  await cloud.sql("insert into tree values ('t1', 'oak', 'Oak')");
  await cloud.sql("insert into soil values ('t1', 'loam', 'Loam')");
  await pullDown(edge, cloud);
  return [cloud, edge];
}

const equal = async (cloud: TestReplica, edge: TestReplica): Promise<void> => {
  const tables = ["tree", "branch", "leaf", "soil", "stone"];
  expect(await edge.digest(tables)).toEqual(await cloud.digest(tables));
};

const held = async (replica: TestReplica): Promise<readonly string[]> =>
  (await listQuarantine(replica.database, TENANT)).map(({ code }) => code);

it("the catalog of these tests is sound", () => {
  expect(lintCatalog(forest)).toEqual([]);
});

eachDatabase("a parent row that was deleted", (open) => {
  it("F-D4 reject: the child is refused and goes away at its author, and the delete is applied there", async () => {
    const [cloud, edge] = await grow(open);
    await cloud.sql("delete from tree where id = 'oak'");
    await edge.sql("insert into branch values ('t1', 'b', 'oak', 'first')");
    await pullDown(edge, cloud);
    expect(await held(edge)).toEqual(["refused-children"]);
    expect((await pushUp(edge, cloud)).outcomes).toMatchObject([{ outcome: "refused", code: "refused-parent-deleted" }]);
    expect(await edge.sql("select id from branch")).toEqual([]);
    expect(await edge.sql("select id from tree")).toEqual([]);
    expect(await held(edge)).toEqual(["refused-parent-deleted"]);
    await equal(cloud, edge);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D4 detach: the child is written without its reference, on both tiers", async () => {
    const [cloud, edge] = await grow(open);
    await cloud.sql("delete from soil where id = 'loam'");
    await edge.sql("insert into stone values ('t1', 's', 'loam', null, 'heavy')");
    await pullDown(edge, cloud);
    expect((await pushUp(edge, cloud)).outcomes).toMatchObject([{ outcome: "merged", code: null }]);
    await pullDown(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect(await replica.sql("select soil_id, weight from stone")).toEqual([{ soil_id: null, weight: "heavy" }]);
      expect(await replica.sql("select id from soil")).toEqual([]);
      expect(await held(replica)).toEqual([]);
    }
    await equal(cloud, edge);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D4 revive: the parent comes back with its values, on both tiers", async () => {
    const [cloud, edge] = await grow(open);
    await cloud.sql("delete from tree where id = 'oak'");
    await edge.sql("insert into stone values ('t1', 's', null, 'oak', 'heavy')");
    await pullDown(edge, cloud);
    await pushUp(edge, cloud);
    await pullDown(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect(await replica.sql("select id, name from tree")).toEqual([{ id: "oak", name: "Oak" }]);
      expect(await replica.sql("select tree_id from stone")).toEqual([{ tree_id: "oak" }]);
      expect(await held(replica)).toEqual([]);
    }
    await equal(cloud, edge);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D4 a parent that never comes is waited for visibly, with its age, and holds up nothing else", async () => {
    const [cloud, edge] = await grow(open);
    await edge.database.script("alter table branch drop constraint branch_tenant_id_tree_id_fkey");
    await edge.sql("insert into branch values ('t1', 'b', 'never', 'x')");
    await edge.sql("insert into leaf values ('t1', 'l', 'b', null)");
    await edge.sql("insert into branch values ('t1', 'c', 'oak', 'x')");
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 1 });
    const rows = await cloud.sql(
      "select code, retryable, tables, row_keys, held_since <= now() as aged from hayloft.quarantined where state = 'held' order by seq",
    );
    expect(rows).toEqual([
      { code: "refused-parent", retryable: true, tables: "branch", row_keys: ["branch b"], aged: true },
      { code: "refused-waiting", retryable: true, tables: "leaf", row_keys: ["leaf l"], aged: true },
    ]);
    expect(await cloud.storage.releaseHeld(TENANT)).toBe(0);
    expect(await edge.sql("select id from leaf")).toEqual([{ id: "l" }]);
    await cloud.sql("insert into tree values ('t1', 'never', 'after all')");
    expect(await cloud.storage.releaseHeld(TENANT)).toBe(2);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("P-C13 rows of one declared group step aside together; those of other groups flow", async () => {
    const [cloud, edge] = await grow(open);
    await cloud.database.script("alter table visit add constraint polite check (note <> 'rude')");
    await edge.sql("insert into visit values ('t1', 'v1', 'monday', 'rude')");
    await edge.sql("insert into visit values ('t1', 'v2', 'monday', 'fine')");
    await edge.sql("insert into visit values ('t1', 'v3', 'tuesday', 'fine')");
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes.map(({ seq, code }) => [seq, code])).toEqual([
      [1, "refused-constraint"],
      [2, "refused-dependent"],
    ]);
    expect(await cloud.sql("select id from visit")).toEqual([{ id: "v3" }]);
    const origin = (await edge.storage.heads([TENANT]))[0]?.incarnation ?? "";
    await cloud.storage.quarantine.discard({ tenant: TENANT, origin, seq: 1 }, { reason: "rude" });
    expect(await held(cloud)).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
