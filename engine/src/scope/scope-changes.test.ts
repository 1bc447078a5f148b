import { expect, it } from "vitest";
import { BARN, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import type { Grant, SnapshotCursor } from "../replica/replica-storage.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { grantText } from "./grant-text.ts";
import { movingFarm } from "./sample-moving-farm.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

interface Pair {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly close: () => Promise<void>;
}

async function pair(open: OpenDatabase): Promise<Pair> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await cloud.sql(BARN, ["b2", "Barn two"]);
  const close = async (): Promise<void> => void (await Promise.all([cloud.close(), edge.close()]));
  return { cloud, edge, close };
}

const note = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, 'n')";
const reading = "insert into reading values ('t1', $1, $2, 1, $3, '2026-11-01 10:00:00+00')";

async function snapshot(edge: TestReplica, cloud: TestReplica, grant: Grant): Promise<void> {
  const [head] = await cloud.storage.heads([TENANT]);
  const at = { tenant: TENANT, incarnation: head?.incarnation ?? "", position: head?.position ?? 0 };
  let cursor: SnapshotCursor | null = null;
  do {
    const chunk = await cloud.storage.readSnapshot(grant, TENANT, cursor, 1e6);
    if (chunk === null) break;
    await edge.storage.applySnapshot(cloud.nodeId, [chunk], at);
    cursor = chunk.next;
  } while (cursor !== null);
  await edge.storage.finishSnapshot(cloud.nodeId, at);
}

const countOf = async (replica: TestReplica, table: string): Promise<number> =>
  Number((await replica.sql(`select count(*) as count from ${table}`))[0]?.["count"]);

eachDatabase("scope changes", (open) => {
  it("F-D6 a narrowed grant purges rows outside of it, in every table and flow, and leaves receipts", async () => {
    const { cloud, edge, close } = await pair(open);
    const both = edge.grant({ barn: ["b1", "b2"] });
    expect(await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(both))).toBe(false);
    await pullDown(edge, cloud, both);
    for (const barn of ["b1", "b2"]) {
      await edge.sql(note, [newId(), barn]);
      await edge.sql(reading, [newId(), barn, `e-${barn}`]);
    }
    await pushUp(edge, cloud, both);
    const narrow = edge.grant({ barn: ["b1"] });
    expect(await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(narrow))).toBe(true);
    expect(await edge.storage.receivedCursors(cloud.nodeId)).toEqual([]);
    await snapshot(edge, cloud, narrow);
    for (const table of ["barn", "note", "reading"]) {
      expect(await countOf(edge, `${table} where ${table === "barn" ? "id" : "barn_id"} = 'b2'`), table).toBe(0);
      expect(await countOf(edge, table), table).toBe(1);
    }
    expect(await countOf(edge, "hayloft.row_state where table_name = 'note'")).toBe(1);
    const receipts = await edge.sql(
      "select table_name, sum(row_count)::integer as rows from hayloft.eviction group by 1 order by 1",
    );
    expect(receipts).toEqual(
      expect.arrayContaining([
        { table_name: "note", rows: 1 },
        { table_name: "reading", rows: 1 },
      ]),
    );
    expect(await countOf(cloud, "reading")).toBe(2);
    await close();
  });

  it("F-D6 unsent work under a lost grant reaches the parent first: the rows are purged when it has answered", async () => {
    const { cloud, edge, close } = await pair(open);
    const both = edge.grant({ barn: ["b1", "b2"] });
    await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(both));
    await pullDown(edge, cloud, both);
    const id = newId();
    await edge.sql(reading, [id, "b2", "unsent"]);
    const narrow = edge.grant({ barn: ["b1"] });
    await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(narrow));
    await snapshot(edge, cloud, narrow);
    expect(await countOf(edge, "reading")).toBe(1);
    expect(await edge.sql("select purge_due from hayloft.peer where relation = 'parent'")).toEqual([{ purge_due: true }]);
    await pushUp(edge, cloud, narrow);
    const held = await listQuarantine(cloud.database, TENANT);
    expect(held.map(({ code }) => code)).toEqual(["refused-scope"]);
    expect(await countOf(edge, "reading")).toBe(0);
    expect(await countOf(edge, "barn where id = 'b2'")).toBe(0);
    expect(await edge.sql("select purge_due from hayloft.peer where relation = 'parent'")).toEqual([{ purge_due: false }]);
    await close();
  });

  it("a widened grant fills what it newly covers and keeps the rest", async () => {
    const { cloud, edge, close } = await pair(open);
    const narrow = edge.grant({ barn: ["b1"] });
    await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(narrow));
    await cloud.sql(note, [newId(), "b2"]);
    await pullDown(edge, cloud, narrow);
    expect([await countOf(edge, "barn"), await countOf(edge, "note")]).toEqual([1, 0]);
    await edge.sql(reading, [newId(), "b1", "mine"]);
    const both = edge.grant({ barn: ["b2", "b1"] });
    expect(await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText(both))).toBe(true);
    await snapshot(edge, cloud, both);
    expect([await countOf(edge, "barn"), await countOf(edge, "note"), await countOf(edge, "reading")]).toEqual([2, 1, 1]);
    expect(await edge.storage.takeGrant(cloud.nodeId, TENANT, grantText({ ...both, scopes: { barn: ["b1", "b2"] } }))).toBe(
      false,
    );
    await close();
  });

  it("S5.6 F-D6 a row that moves away takes along all that refers to it, also what is still to come, and back it brings them", async () => {
    const catalog = movingFarm;
    const [hub, box] = [await TestReplica.open(open, "cloud", { catalog }), await TestReplica.open(open, "edge", { catalog })];
    const grant = box.grant({ farm: ["north"] });
    await hub.sql("insert into house values ('t1', 'h1', 'north', 'House'), ('t1', 'h2', 'north', 'Other')");
    await pullDown(box, hub, grant);
    for (const house of ["h1", "h2"]) {
      await box.sql("insert into visit values ('t1', $1, 'north', $2, 'v')", [newId(), house]);
      await box.sql("insert into visit_remark select 't1', gen_random_uuid(), id, 'r' from visit where house_id = $1", [house]);
    }
    await pushUp(box, hub, grant);
    await hub.sql("update house set farm_id = 'south' where id = 'h1'");
    await hub.sql("update visit set title = 'seen by the hub'");
    const moved = await pullDown(box, hub, grant);
    expect(moved.refill).toBe(false);
    expect(await box.sql("select id from house")).toEqual([{ id: "h2" }]);
    expect(await box.sql("select house_id, title from visit")).toEqual([{ house_id: "h2", title: "seen by the hub" }]);
    expect(await countOf(box, "visit_remark")).toBe(1);
    expect(await countOf(box, "hayloft.quarantine")).toBe(0);
    // A box that is filled only now gets no records of a house that is elsewhere.
    const fresh = await TestReplica.open(open, "edge", { catalog });
    await snapshot(fresh, hub, grant);
    expect([await countOf(fresh, "house"), await countOf(fresh, "visit"), await countOf(fresh, "visit_remark")]).toEqual([
      1, 1, 1,
    ]);
    expect(await countOf(fresh, "hayloft.quarantine")).toBe(0);
    await hub.sql("update house set farm_id = 'north' where id = 'h1'");
    expect((await pullDown(box, hub, grant)).refill).toBe(true);
    expect(await box.storage.receivedCursors(hub.nodeId)).toEqual([]);
    await snapshot(box, hub, grant);
    expect([await countOf(box, "house"), await countOf(box, "visit"), await countOf(box, "visit_remark")]).toEqual([2, 2, 2]);
    expect(await box.storage.receivedCursors(hub.nodeId)).toHaveLength(1);
    await Promise.all([hub.close(), box.close(), fresh.close()]);
  });

  it("S5.6 F-D6 a row that moves away stays until work on it, written here and not sent yet, has reached the parent", async () => {
    const catalog = movingFarm;
    const [hub, box] = [await TestReplica.open(open, "cloud", { catalog }), await TestReplica.open(open, "edge", { catalog })];
    const grant = box.grant({ farm: ["north"] });
    await hub.sql("insert into house values ('t1', 'h1', 'north', 'House')");
    await pullDown(box, hub, grant);
    await box.sql("insert into visit values ('t1', $1, 'north', 'h1', 'unsent')", [newId()]);
    await hub.sql("update house set farm_id = 'south' where id = 'h1'");
    await pullDown(box, hub, grant);
    expect([await countOf(box, "house"), await countOf(box, "visit")]).toEqual([1, 1]);
    await pushUp(box, hub, grant);
    expect([await countOf(box, "house"), await countOf(box, "visit")]).toEqual([0, 0]);
    expect(await countOf(box, "hayloft.quarantine")).toBe(0);
    expect([await countOf(hub, "visit"), await countOf(hub, "hayloft.quarantine")]).toEqual([1, 0]);
    await Promise.all([hub.close(), box.close()]);
  });
});
