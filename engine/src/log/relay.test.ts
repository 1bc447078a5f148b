import { expect, it } from "vitest";
import { BARN, exchange, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import { eachDatabase } from "../testing/each-database.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

interface Tree {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly other: TestReplica;
  readonly tablet: TestReplica;
  readonly second: TestReplica;
  readonly close: () => Promise<void>;
}

/** cloud – edge – two tablets, and cloud – another edge. */
async function tree(open: OpenDatabase): Promise<Tree> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  const other = await TestReplica.open(open, "edge");
  const tablet = await TestReplica.open(open, "tablet");
  const second = await TestReplica.open(open, "tablet");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  for (const node of [tablet, second]) {
    await cloud.sql(
      "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 't', 'tablet', 'worker', 'k')",
      [node.nodeId],
    );
  }
  await exchange(edge, cloud);
  await exchange(other, cloud);
  await exchange(tablet, edge);
  await exchange(second, edge);
  const all = [cloud, edge, other, tablet, second];
  return {
    cloud,
    edge,
    other,
    tablet,
    second,
    close: async () => void (await Promise.all(all.map(async (replica) => await replica.close()))),
  };
}

eachDatabase("relay", (open) => {
  it("commits of a tablet go through the edge to the hub and down to another edge, unchanged and not back", async () => {
    const { cloud, edge, other, tablet, second, close } = await tree(open);
    await tablet.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'from the tablet')", [newId()]);
    const [mine] = (await tablet.commits()).slice(-1);
    await pushUp(tablet, edge);
    const [relayed] = (await edge.commits()).slice(-1);
    expect(relayed).toEqual(mine);
    await pushUp(edge, cloud);
    await pullDown(other, cloud);
    await pullDown(second, edge);
    for (const replica of [edge, cloud, other, second])
      expect(await replica.digest(["note"])).toEqual(await tablet.digest(["note"]));
    expect((await pullDown(edge, cloud)).rowsApplied).toBe(0);
    expect((await pullDown(tablet, edge)).rowsApplied).toBe(0);
    await close();
  });

  it("what a tablet wrote is known to be at the top when the hub has acknowledged it to the edge and the edge has said so", async () => {
    const { cloud, edge, tablet, close } = await tree(open);
    await tablet.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'n')", [newId()]);
    const origin = (await tablet.storage.heads([TENANT]))[0]?.incarnation ?? "";
    const receipt = async (): Promise<readonly boolean[]> => {
      const { device: here, parent, top } = await readReceipt(tablet.database, TENANT, origin, 1);
      return [here.reached, parent.reached, top.reached];
    };
    expect(await receipt()).toEqual([true, false, false]);
    await pushUp(tablet, edge);
    expect(await receipt()).toEqual([true, true, false]);
    expect(await edge.storage.settledSeqs(TENANT, [origin])).toEqual([]);
    await pushUp(edge, cloud);
    const settled = await edge.storage.settledSeqs(TENANT, [origin]);
    expect(settled).toEqual([{ origin, seq: 1 }]);
    await tablet.storage.recordSettled(TENANT, settled);
    expect(await receipt()).toEqual([true, true, true]);
    await close();
  });

  it("a refusal by the hub reaches the tablet through the edge, and edge and both tablets get the true row back", async () => {
    const { cloud, edge, tablet, second, close } = await tree(open);
    for (const { database } of [edge, tablet, second]) await database.script("alter table note drop constraint note_title_check");
    const [kept, gone] = [newId(), newId()];
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'good')", [kept]);
    await pullDown(edge, cloud);
    await pullDown(tablet, edge);
    await pullDown(second, edge);
    await tablet.sql("update note set title = repeat('x', 200)");
    await tablet.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', repeat('y', 200))", [gone]);
    await pushUp(tablet, edge);
    await pullDown(second, edge);
    expect(await second.sql("select length(title) as length from note order by 1")).toEqual([{ length: 200 }, { length: 200 }]);
    const refused = await pushUp(edge, cloud);
    expect(refused.outcomes.map(({ code }) => code)).toEqual(["refused-constraint", "refused-constraint"]);
    expect(await edge.sql("select title from note")).toEqual([{ title: "good" }]);
    expect(await listQuarantine(edge.database, TENANT)).toEqual([]);
    await pullDown(second, edge);
    expect(await second.sql("select title from note")).toEqual([{ title: "good" }]);
    const told = await pushUp(tablet, edge);
    expect(told.outcomes.map(({ seq, code }) => [seq, code])).toEqual([
      [1, "refused-constraint"],
      [2, "refused-constraint"],
    ]);
    expect(await tablet.sql("select title from note")).toEqual([{ title: "good" }]);
    expect((await listQuarantine(tablet.database, TENANT)).length).toBe(2);
    await pullDown(tablet, edge);
    await cloud.sql("update note set title = 'later'");
    await pullDown(edge, cloud);
    await pullDown(tablet, edge);
    await pullDown(second, edge);
    for (const replica of [edge, tablet, second]) expect(await replica.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await close();
  });

  it("commits that the edge refused leave no gap that would stop the tablet's later commits, and a held one follows when its parent comes", async () => {
    const { cloud, edge, other, tablet, close } = await tree(open);
    await tablet.database.script(
      "alter table note drop constraint note_title_check; alter table note drop constraint note_tenant_id_barn_id_fkey",
    );
    const insert = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, $3)";
    await tablet.sql(insert, [newId(), "b1", "first"]);
    await tablet.sql(insert, [newId(), "b1", "x".repeat(200)]);
    await tablet.sql(insert, [newId(), "b7", "waits"]);
    await tablet.sql(insert, [newId(), "b1", "last"]);
    const pushed = await pushUp(tablet, edge);
    expect(pushed.outcomes.map(({ seq, code }) => [seq, code])).toEqual([
      [2, "refused-constraint"],
      [3, "refused-parent"],
    ]);
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 2, outcomes: [] });
    await cloud.sql(BARN, ["b7", "Barn seven"]);
    await pullDown(edge, cloud);
    await pushUp(edge, cloud);
    await pullDown(other, cloud);
    expect(await cloud.sql("select title from note order by title")).toEqual([
      { title: "first" },
      { title: "last" },
      { title: "waits" },
    ]);
    await pushUp(tablet, edge);
    for (const replica of [edge, other, tablet]) expect(await replica.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await close();
  });

  it("durability D4: an edge says it of a tablet's log when its own is safe, and not while it holds a commit of the tablet", async () => {
    const { cloud, edge, tablet, close } = await tree(open);
    await tablet.database.script("alter table note drop constraint note_tenant_id_barn_id_fkey");
    const insert = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, 'n')";
    const headOf = async (replica: TestReplica) => (await replica.storage.heads([TENANT]))[0] ?? { incarnation: "", position: 0 };
    /** The hub tells the edge of its second site. */
    const tell = async (safe: number): Promise<void> => {
      const { incarnation } = await headOf(edge);
      const ack = {
        peer: cloud.nodeId,
        tenant: TENANT,
        incarnation,
        position: safe,
        level: "D4",
        top: true,
        outcomes: [],
        safe,
      } as const;
      await edge.storage.recordAcknowledgement(ack);
    };
    const safeOfTablet = async (): Promise<number | undefined> => (await pushUp(tablet, edge)).safe;
    await tablet.sql(insert, [newId(), "b1"]);
    expect(await safeOfTablet()).toBeUndefined();
    await pushUp(edge, cloud);
    const first = (await headOf(edge)).position;
    await tablet.sql(insert, [newId(), "b1"]);
    await pushUp(tablet, edge);
    await pushUp(edge, cloud);
    // The edge learns it of a time when it did not have the second one.
    await tell(first);
    expect(await safeOfTablet()).toBeUndefined();
    await tell((await headOf(edge)).position);
    expect(await safeOfTablet()).toBe((await headOf(tablet)).position);

    const before = (await headOf(tablet)).position;
    await tablet.sql(insert, [newId(), "b7"]);
    await tablet.sql(insert, [newId(), "b1"]);
    await pushUp(tablet, edge);
    await pushUp(edge, cloud);
    await tell((await headOf(edge)).position);
    expect(await safeOfTablet()).toBe(before);
    await cloud.sql(BARN, ["b7", "Barn seven"]);
    await pullDown(edge, cloud);
    await pushUp(edge, cloud);
    await tell((await headOf(edge)).position);
    expect(await safeOfTablet()).toBe((await headOf(tablet)).position);
    await close();
  });

  it("the hub's log keeps only what flows down, so that telemetry is not stored twice", async () => {
    const { cloud, edge, close } = await tree(open);
    await edge.sql("insert into reading select 't1', gen_random_uuid(), 'b1', 1, 'e' || n, now() from generate_series(1, 50) n");
    const before = Number((await cloud.sql("select count(*) as count from hayloft.commit"))[0]?.["count"]);
    await pushUp(edge, cloud);
    expect((await cloud.sql("select count(*) as count from reading"))[0]).toEqual({ count: 50 });
    expect(Number((await cloud.sql("select count(*) as count from hayloft.commit"))[0]?.["count"])).toBe(before);
    await close();
  });

  it("F-D6 a row that moves out of a grant is evicted there and filled where it moved to", async () => {
    const { cloud, edge, other, close } = await tree(open);
    await cloud.sql(BARN, ["b2", "Barn two"]);
    const [first, other2] = [{ ...edge.grant({ barn: ["b1"] }) }, { ...other.grant({ barn: ["b2"] }) }];
    const id = newId();
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'moves')", [id]);
    await pullDown(edge, cloud, first);
    await pullDown(other, cloud, other2);
    expect([await edge.sql("select title from note"), await other.sql("select title from note")]).toEqual([
      [{ title: "moves" }],
      [],
    ]);
    await cloud.sql("update note set barn_id = 'b2'");
    await pullDown(edge, cloud, first);
    await pullDown(other, cloud, other2);
    expect([await edge.sql("select title from note"), await other.sql("select title from note")]).toEqual([
      [],
      [{ title: "moves" }],
    ]);
    expect(await edge.sql("select * from hayloft.row_state where table_name = 'note'")).toEqual([]);
    await close();
  });

  it("F-G5 a child reads nothing outside its grant, nor hidden columns, nor another tenant", async () => {
    const { cloud, tablet, close } = await tree(open);
    await cloud.sql(BARN, ["b2", "Secret barn"]);
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b2', 'secret')", [newId()]);
    await cloud.sql("insert into barn (tenant_id, id, name) values ('t2', 'b1', 'secret of another tenant')");
    const slice = await cloud.slice(tablet, "down", 0, tablet.grant({ barn: ["b1"] }));
    const text = JSON.stringify(slice, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
    expect(text).toContain("Barn one");
    expect(text.toLowerCase()).not.toContain("secret");
    expect(text).not.toContain("north");
    const grant = { ...tablet.grant(), tenant: "t2" };
    await expect(cloud.slice(tablet, "down", 0, grant)).rejects.toThrow("refused-scope");
    await close();
  });
});
