import { expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import { integer, text } from "../catalog/column.ts";
import { appendOnly, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { newId } from "../identity/new-id.ts";
import { nodeTable } from "../identity/node-table.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "./test-replica.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

async function farm(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await exchange(edge, cloud);
  return [cloud, edge];
}

/** Writes without guards and capture of the tier, as a broken or forged client would: capture on, guards off. */
async function unguarded(replica: TestReplica, sql: string): Promise<void> {
  await replica.database.transaction(async (tx) => {
    await tx.script("set constraints all deferred");
    await tx.query(sql);
  });
}

eachDatabase("refusals", (open) => {
  it("S4.1 a refused author gets the true row back, once, and the refusal is visible on both tiers", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table note drop constraint note_title_check");
    const id = newId();
    await edge.sql("insert into note (tenant_id, id, barn_id, title, price) values ('t1', $1, 'b1', 'good', 1)", [id]);
    await exchange(edge, cloud);
    await edge.sql("update note set title = repeat('x', 200), price = 7");
    await cloud.sql("update note set body = 'from the cloud'");
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes).toMatchObject([{ outcome: "refused", code: "refused-constraint" }]);
    expect(await edge.sql("select title, price from note")).toEqual([{ title: "good", price: "1.00" }]);
    await pullDown(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    for (const replica of [cloud, edge]) {
      const [held] = await listQuarantine(replica.database, TENANT);
      expect(held).toMatchObject({ code: "refused-constraint", retryable: false });
      expect(held?.commit.changes[0]?.table).toBe("note");
    }
    const { outcomes } = await pushUp(edge, cloud);
    expect(outcomes).toEqual([]);
    await edge.sql("update note set title = 'good again'");
    await pushUp(edge, cloud);
    expect(await cloud.sql("select title, body from note")).toEqual([{ title: "good again", body: "from the cloud" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a step along an order that was refused is taken back, also when a later one of the authority has come meanwhile", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table note drop constraint note_title_check");
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'good')", [newId()]);
    await exchange(edge, cloud);
    await edge.sql("update note set title = repeat('x', 200), status = 'closed'");
    await cloud.sql("update note set status = 'held'");
    await pullDown(edge, cloud);
    expect(await edge.sql("select status from note")).toEqual([{ status: "closed" }]);
    await pushUp(edge, cloud);
    expect(await edge.sql("select title, status from note")).toEqual([{ title: "good", status: "held" }]);
    await exchange(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a row whose insert was refused goes away at the author, and what a later commit wrote to another row stays", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script(
      "alter table note drop constraint note_title_check; alter table entry drop constraint entry_amount_check",
    );
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', repeat('x', 200))", [newId()]);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'bad', 5000)", [newId()]);
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'fine')", [newId()]);
    await pushUp(edge, cloud);
    expect(await edge.sql("select title from note")).toEqual([{ title: "fine" }]);
    expect(await edge.sql("select * from entry")).toEqual([]);
    expect(await edge.digest(["note", "entry"])).toEqual(await cloud.digest(["note", "entry"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("the truth does not undo what a later, unsent commit wrote to the same row", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table note drop constraint note_title_check");
    await edge.sql("insert into note (tenant_id, id, barn_id, title, price) values ('t1', $1, 'b1', 'good', 1)", [newId()]);
    await exchange(edge, cloud);
    await edge.sql("update note set title = repeat('x', 200)");
    const slice = await edge.slice(cloud, "up", 1);
    await edge.sql("update note set price = 9");
    const result = await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
    const ack = {
      peer: cloud.nodeId,
      tenant: TENANT,
      incarnation: slice.incarnation,
      position: result.position,
      top: true,
      outcomes: result.outcomes,
    };
    await edge.storage.recordAcknowledgement(ack);
    await edge.storage.recordAcknowledgement(ack);
    expect(await edge.sql("select title, price from note")).toEqual([{ title: "good", price: "9.00" }]);
    await pushUp(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("of two acknowledgements that are recorded together the later says what became of a commit", async () => {
    const [cloud, edge] = await farm(open);
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'good')", [newId()]);
    const slice = await edge.slice(cloud, "up", 0);
    const { position } = await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
    const [{ origin, seq } = { origin: "", seq: 0 }] = slice.commits;
    const said = { origin, seq, truth: [] };
    await edge.storage.recordAcknowledgement({
      peer: cloud.nodeId,
      tenant: TENANT,
      incarnation: slice.incarnation,
      position,
      top: true,
      outcomes: [
        { ...said, outcome: "refused", code: "refused-parent" },
        { ...said, outcome: "applied", code: null },
      ],
    });
    expect(await listQuarantine(edge.database, TENANT)).toEqual([]);
    expect(await edge.sql("select outcome from hayloft.outcome where seq = $1", [seq])).toEqual([{ outcome: "applied" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a row whose insert was refused stays when a later, unsent commit has already corrected it", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table note drop constraint note_title_check");
    await edge.sql("insert into note (tenant_id, id, barn_id, title, price) values ('t1', $1, 'b1', repeat('x', 200), 4)", [
      newId(),
    ]);
    const slice = await edge.slice(cloud, "up", 0);
    await edge.sql("update note set title = 'corrected'");
    const result = await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
    const { incarnation } = slice;
    await edge.storage.recordAcknowledgement({
      peer: cloud.nodeId,
      tenant: TENANT,
      incarnation,
      position: result.position,
      top: true,
      outcomes: result.outcomes,
    });
    expect(await edge.sql("select title, price from note")).toEqual([{ title: "corrected", price: "4.00" }]);
    await pushUp(edge, cloud);
    expect(await cloud.sql("select title from note")).toEqual([{ title: "corrected" }]);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-G1 P-C13 S10.7 a poison commit in mid-stream is set aside once, the rest of the stream flows", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table reading drop constraint reading_value_check");
    for (let event = 0; event < 40; event += 1)
      await edge.sql(newReading(`e${String(event)}`, event === 17 || event === 31 ? "5000.00" : "1.00"));
    const pushed = await pushUp(edge, cloud);
    expect(pushed).toMatchObject({ commitsApplied: 38, rowsApplied: 38 });
    expect(pushed.outcomes.map(({ outcome, code }) => [outcome, code])).toEqual([
      ["refused", "refused-constraint"],
      ["refused", "refused-constraint"],
    ]);
    expect(await cloud.sql("select count(*) as count from reading")).toEqual([{ count: 38 }]);
    expect((await listQuarantine(cloud.database, TENANT)).map(({ commit }) => commit.seq)).toEqual([18, 32]);
    const origin = (await edge.storage.heads([TENANT]))[0]?.incarnation ?? "";
    expect(await readReceipt(edge.database, TENANT, origin, 18)).toMatchObject({
      outcome: "refused",
      code: "refused-constraint",
    });
    expect(await readReceipt(edge.database, TENANT, origin, 19)).toMatchObject({ outcome: "applied", top: { reached: true } });
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a commit is refused whole: none of its other rows is applied", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table entry drop constraint entry_amount_check");
    await unguarded(
      edge,
      "insert into entry select 't1', gen_random_uuid(), 'b1', 'n' || n, n * 400 from generate_series(1, 3) n",
    );
    expect((await pushUp(edge, cloud)).outcomes).toMatchObject([{ outcome: "refused", code: "refused-constraint" }]);
    expect(await cloud.sql("select count(*) as count from entry")).toEqual([{ count: 0 }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("the same identity with other content is refused, the same content is not", async () => {
    const [cloud, edge] = await farm(open);
    const id = newId();
    await cloud.sql("insert into entry values ('t1', $1, 'b1', 'cloud', 1)", [id]);
    const same = newId();
    await cloud.sql("insert into entry values ('t1', $1, 'b1', 'same', 2)", [same]);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'edge', 1)", [id]);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'same', 2)", [same]);
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes).toMatchObject([{ outcome: "refused", code: "refused-content", seq: 1 }]);
    expect(await edge.sql("select text from entry where id = $1", [id])).toEqual([{ text: "cloud" }]);
    await pullDown(edge, cloud);
    expect(await edge.digest(["entry"])).toEqual(await cloud.digest(["entry"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D4 a child before its parent waits, later commits flow, and it is applied by itself when the parent arrives", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table note drop constraint note_tenant_id_barn_id_fkey");
    const id = newId();
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b7', 'early')", [id]);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'flows', 1)", [newId()]);
    const other = await TestReplica.open(open, "edge");
    await edge.sql("update note set title = 'early, changed'");
    const pushed = await pushUp(edge, cloud);
    expect(pushed).toMatchObject({ commitsApplied: 1 });
    expect(pushed.outcomes.map(({ seq, code }) => [seq, code])).toEqual([
      [1, "refused-parent"],
      [3, "refused-waiting"],
    ]);
    expect(await edge.sql("select title from note")).toEqual([{ title: "early, changed" }]);
    await exchange(other, cloud);
    expect((await listQuarantine(cloud.database, TENANT)).every(({ retryable }) => retryable)).toBe(true);
    await cloud.sql(BARN, ["b7", "Late"]);
    expect(await cloud.storage.releaseHeld(TENANT)).toBe(2);
    expect(await cloud.sql("select title from note")).toEqual([{ title: "early, changed" }]);
    expect(await listQuarantine(cloud.database, TENANT)).toEqual([]);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'next', 1)", [newId()]);
    const told = await pushUp(edge, cloud);
    expect(told.outcomes.map(({ seq, outcome }) => [seq, outcome])).toEqual([
      [1, "applied"],
      [3, "applied"],
    ]);
    expect(await listQuarantine(edge.database, TENANT)).toEqual([]);
    await exchange(other, cloud);
    expect(await other.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close(), other.close()]);
  });

  it("an outcome whose acknowledgement was lost is told again to a child that resumes before it", async () => {
    const [cloud, edge] = await farm(open);
    await edge.database.script("alter table entry drop constraint entry_amount_check");
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'bad', 5000)", [newId()]);
    const slice = await edge.slice(cloud, "up", 0);
    const lost = await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
    const again = await pushUp(edge, cloud);
    expect(again.outcomes).toEqual(lost.outcomes);
    expect(again.commitsDuplicate).toBe(1);
    expect(await edge.sql("select * from entry")).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a value that lost is told as merged, and the author shows the winner", async () => {
    const [cloud, edge] = await farm(open);
    const id = newId();
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'old')", [id]);
    await exchange(edge, cloud);
    await edge.sql("update note set title = 'edge', price = 3");
    await cloud.sql("update note set title = 'cloud, later'");
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes).toMatchObject([{ outcome: "merged", code: null }]);
    expect(await edge.sql("select title, price from note")).toEqual([{ title: "cloud, later", price: "3.00" }]);
    await pullDown(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-G1 a refused row takes the rows that refer to it along, and the stream flows on", async () => {
    const [cloud, edge] = await linkedFarm(open);
    await edge.sql("insert into visit values ('t1', 'v1', 50)");
    await edge.sql("insert into line values ('t1', 'l1', 'v1')");
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes.map(({ code }) => code)).toEqual(["refused-constraint", "refused-dependent"]);
    await edge.sql("insert into visit values ('t1', 'v2', 1)");
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 1, outcomes: [] });
    expect([await edge.sql("select id from line"), await edge.sql("select id from visit")]).toEqual([[], [{ id: "v2" }]]);
    for (const replica of [cloud, edge]) {
      const held = await listQuarantine(replica.database, TENANT);
      expect(held.map(({ code, cause }) => [code, cause?.seq ?? null])).toEqual([
        ["refused-constraint", null],
        ["refused-dependent", 1],
      ]);
    }
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("rows that refer to each other and were all refused all go away", async () => {
    const [cloud, edge] = await linkedFarm(open);
    await cloud.database.script("alter table line add constraint strict_line check (id <> 'bad')");
    await edge.sql("insert into visit values ('t1', 'v1', 50)");
    await edge.sql("insert into line values ('t1', 'bad', 'v1')");
    await pushUp(edge, cloud);
    expect([await edge.sql("select * from visit"), await edge.sql("select * from line")]).toEqual([[], []]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});

/** A hub that is stricter than its edge, with a table that refers to another one that the edge writes. */
async function linkedFarm(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const everywhere = { cloud: forever, edge: forever };
  const common = {
    group: "sample",
    category: "operational",
    about: "A table of the tests.",
    scope: { tenant: "tenant_id" },
  } as const;
  const both = { ...common, writers: ["cloud", "edge"], flow: "both", retain: everywhere } as const;
  const visit = table("visit", {
    ...both,
    columns: { tenant_id: text(), id: text(), grade: integer() },
    rule: lastWriterWins(),
  });
  const line = table("line", {
    ...both,
    columns: { tenant_id: text(), id: text(), visit_id: text() },
    references: [{ columns: ["tenant_id", "visit_id"], table: "visit" }],
    rule: appendOnly(),
  });
  const tiers = ["cloud", "edge"] as const;
  const tables = [visit, line, nodeTable(tiers)];
  const linked = catalog({ name: "linked", version: 1, oldestVersion: 1, tiers, scopes: [], sharedTenant: "shared", tables });
  const cloud = await TestReplica.open(open, "cloud", { catalog: linked });
  const edge = await TestReplica.open(open, "edge", { catalog: linked });
  await cloud.database.script("alter table visit add constraint strict check (grade < 10)");
  return [cloud, edge];
}
