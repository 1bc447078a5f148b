import { expect, it } from "vitest";
import { BARN, exchange, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { explainRow } from "../explain/explain-row.ts";
import { explanationText } from "../explain/explanation-text.ts";
import { newId } from "../identity/new-id.ts";
import { pruneLog } from "../log/prune-log.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { listLosses } from "./list-losses.ts";
import { undoLoss } from "./undo-loss.ts";
import type { JournalEntry } from "./journal.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

interface Pair {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly note: string;
}

/** A cloud and an edge that both hold one note. */
async function pair(open: OpenDatabase): Promise<Pair> {
  const cloud = await TestReplica.open(open, "cloud");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  const edge = await TestReplica.open(open, "edge");
  await exchange(edge, cloud);
  const note = newId();
  await edge.sql("insert into note (tenant_id, id, barn_id, title, price) values ('t1', $1, 'b1', 'first', 1.00)", [note]);
  await exchange(edge, cloud);
  return { cloud, edge, note };
}

const close = async (...replicas: readonly TestReplica[]): Promise<void> => {
  await Promise.all(replicas.map(async (replica) => await replica.close()));
};

const losses = async (replica: TestReplica): Promise<readonly JournalEntry[]> =>
  (await listLosses(replica.database, { tenant: TENANT })).entries;

const titled = async (replica: TestReplica, title: string, author: string): Promise<void> => {
  await replica.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.author', $1, true)", [author]);
    await tx.query("update note set title = $1", [title]);
  });
};

const shown = (entries: readonly JournalEntry[]): readonly unknown[] =>
  entries.map(({ id, table, column, rule, lost, won }) => [
    id,
    table,
    column,
    rule,
    lost.value,
    lost.author,
    won.value,
    won.author,
  ]);

eachDatabase("loss journal", (open) => {
  it("of two values that were written apart the loser is kept on both tiers, as the same entry, with who wrote which", async () => {
    const { cloud, edge, note } = await pair(open);
    await titled(edge, "by the edge", "ann");
    await titled(cloud, "by the cloud", "bob");
    await exchange(edge, cloud);
    const atCloud = await losses(cloud);
    expect(shown(atCloud)).toEqual([
      [atCloud[0]?.id, "note", "title", "lastWriterWins", "by the edge", "ann", "by the cloud", "bob"],
    ]);
    expect(atCloud[0]).toMatchObject({
      key: [note],
      lost: { tier: "edge", node: edge.nodeId },
      won: { tier: "cloud" },
      undone: null,
    });
    expect((await losses(edge)).map(({ id, lost }) => [id, lost.value, lost.author])).toEqual(
      atCloud.map(({ id, lost }) => [id, lost.value, lost.author]),
    );
    await exchange(edge, cloud);
    expect([(await losses(edge)).length, (await losses(cloud)).length]).toEqual([1, 1]);
    await close(cloud, edge);
  });

  it("a value that was seen and then overwritten is no loss, neither are updates of a thousand rows", async () => {
    const { cloud, edge } = await pair(open);
    await titled(cloud, "seen by the edge", "bob");
    await exchange(edge, cloud);
    await titled(edge, "corrected", "ann");
    await exchange(edge, cloud);
    await titled(cloud, "corrected again", "bob");
    await edge.sql(
      "insert into note (tenant_id, id, barn_id, title) select 't1', gen_random_uuid(), 'b1', 'n' || n from generate_series(1, 1000) n",
    );
    await exchange(edge, cloud);
    await cloud.sql("update note set title = title || '!', price = 2");
    await exchange(edge, cloud);
    for (const replica of [cloud, edge]) expect(await replica.sql("select * from hayloft.loss")).toEqual([]);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await close(cloud, edge);
  });

  it("an update that loses to a later delete, and a delete that loses to a later update, are kept on both tiers", async () => {
    const { cloud, edge, note } = await pair(open);
    await titled(edge, "nobody read this", "ann");
    await cloud.sql("delete from note");
    await exchange(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect(await replica.sql("select id from note")).toEqual([]);
      expect((await losses(replica)).map(({ column, rule, lost }) => [column, rule, lost.value])).toEqual([
        ["title", "tombstone", "nobody read this"],
      ]);
    }
    const [entry] = await losses(edge);
    await undoLoss(edge.database, edge.catalog, { tenant: TENANT, id: entry?.id ?? "" });
    await exchange(edge, cloud);
    const rows = [{ id: note, title: "nobody read this", price: "1.00" }];
    for (const replica of [cloud, edge]) expect(await replica.sql("select id, title, price from note")).toEqual(rows);
    await edge.sql("delete from note");
    await titled(cloud, "alive", "bob");
    await exchange(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect(await replica.sql("select title from note")).toEqual([{ title: "alive" }]);
      expect((await losses(replica)).filter(({ column, rule }) => column === "$deleted" && rule === "tombstone").length).toBe(1);
    }
    await close(cloud, edge);
  });

  it("one call puts a lost value back by an ordinary commit, and one more puts back what that replaced", async () => {
    const { cloud, edge } = await pair(open);
    await titled(edge, "by the edge", "ann");
    await titled(cloud, "by the cloud", "bob");
    await exchange(edge, cloud);
    const [entry] = await losses(cloud);
    const name = { tenant: TENANT, id: entry?.id ?? "" };
    const undone = await undoLoss(cloud.database, cloud.catalog, name, { author: "eve" });
    expect(undone.entry).toMatchObject({ rule: "undo", lost: { value: "by the cloud", author: "bob" }, won: { author: "eve" } });
    await exchange(edge, cloud);
    for (const replica of [cloud, edge]) expect(await replica.sql("select title from note")).toEqual([{ title: "by the edge" }]);
    expect(await undoLoss(cloud.database, cloud.catalog, name)).toEqual({ commit: null, entry: null });
    expect((await losses(cloud)).find(({ id }) => id === name.id)?.undone).toMatchObject({ origin: undone.commit?.origin });
    await undoLoss(cloud.database, cloud.catalog, { tenant: TENANT, id: undone.entry?.id ?? "" });
    await exchange(edge, cloud);
    for (const replica of [cloud, edge]) expect(await replica.sql("select title from note")).toEqual([{ title: "by the cloud" }]);
    await close(cloud, edge);
  });

  it("what the rule or the tier does not allow is not put back, and the error says why", async () => {
    const { cloud, edge } = await pair(open);
    await edge.sql("update note set least = 5");
    await cloud.sql("update note set least = 3");
    await exchange(edge, cloud);
    const [entry] = await losses(cloud);
    expect([entry?.column, entry?.rule, entry?.lost.value]).toEqual(["least", "monotone", "5"]);
    const undo = async (id: string): Promise<unknown> => await undoLoss(cloud.database, cloud.catalog, { tenant: TENANT, id });
    await expect(undo(entry?.id ?? "")).rejects.toMatchObject({ code: "write-refused", details: { rule: "monotone" } });
    await expect(undo(newId())).rejects.toMatchObject({ code: "not-found" });
    expect((await losses(cloud))[0]?.undone).toBeNull();
    await close(cloud, edge);
  });

  it("what a refusal takes back is in the author's journal, under the name of what it wrote", async () => {
    const { cloud, edge, note } = await pair(open);
    await edge.sql("update note set title = $1", ["x".repeat(50)]);
    await cloud.database.script("alter table note add constraint short check (length(title) < 40)");
    await pushUp(edge, cloud);
    expect(await edge.sql("select title from note")).toEqual([{ title: "first" }]);
    expect((await losses(edge)).map(({ key, column, rule, lost, won }) => [key, column, rule, lost.value, won.value])).toEqual([
      [[note], "title", "refused", "x".repeat(50), "first"],
    ]);
    await close(cloud, edge);
  });

  it("is listed in pages, filtered, and pruned by age and by number", async () => {
    const { cloud, edge } = await pair(open);
    for (const title of ["a", "b", "c"]) {
      await titled(edge, `${title} of the edge`, "ann");
      await titled(cloud, `${title} of the cloud`, "bob");
      await exchange(edge, cloud);
    }
    const seen: string[] = [];
    for (let after: string | null = null; ;) {
      const page: Awaited<ReturnType<typeof listLosses>> = await listLosses(cloud.database, {
        table: "note",
        column: "title",
        limit: 2,
        after,
      });
      seen.push(...page.entries.map(({ lost }) => lost.value ?? ""));
      after = page.next;
      if (after === null) break;
    }
    expect(seen).toEqual(["c of the edge", "b of the edge", "a of the edge"]);
    expect((await listLosses(cloud.database, { since: new Date(Date.now() + 60_000) })).entries).toEqual([]);
    await expect(listLosses(cloud.database, { after: "x" })).rejects.toMatchObject({ code: "request-invalid" });
    expect((await cloud.sql("select loser_value, loser_author from hayloft.journal order by 1"))[0]).toEqual({
      loser_value: "a of the edge",
      loser_author: "ann",
    });
    const days = 86_400_000;
    const prune = async (nowMs: number): Promise<number> =>
      (await pruneLog(cloud.database, cloud.catalog, { olderThanMs: 1e12, nowMs, hasParent: false })).reduce(
        (sum, log) => sum + log.losses,
        0,
      );
    expect(await prune(Date.now() + 89 * days)).toBe(0);
    expect(await prune(Date.now() + 91 * days)).toBeGreaterThanOrEqual(3);
    expect(await cloud.sql("select 1 from hayloft.loss")).toEqual([]);
    await close(cloud, edge);
  });

  it("a cell is explained: what stands, who wrote it, the commits and their hops, and what lost", async () => {
    const { cloud, edge, note } = await pair(open);
    await titled(edge, "by the edge", "ann");
    await titled(cloud, "by the cloud", "bob");
    await exchange(edge, cloud);
    const asked = { tenant: TENANT, table: "note", key: [note], column: "title" };
    const explained = await explainRow(edge.database, edge.catalog, asked);
    expect(explained.cells).toMatchObject([{ rule: "lastWriterWins", current: { value: "by the cloud" } }]);
    expect(explained.commits.map(({ author, values }) => [author, values["title"]])).toEqual(
      expect.arrayContaining([["ann", "by the edge"]]),
    );
    const own = explained.commits.find(({ author }) => author === "ann");
    expect(own?.receipt).toMatchObject({
      outcome: "merged",
      device: { reached: true },
      parent: { reached: true },
      top: { reached: true },
    });
    expect(own?.receipt.top.at).toBeInstanceOf(Date);
    expect(explained.losses.map(({ lost }) => lost.value)).toEqual(["by the edge"]);
    const text = explanationText(explained);
    for (const part of ['title = "by the cloud"', "lost to", "ann", "merged"]) expect(text).toContain(part);
    await expect(explainRow(edge.database, edge.catalog, { ...asked, column: "nothing" })).rejects.toMatchObject({
      code: "not-found",
    });
    await pullDown(edge, cloud);
    await close(cloud, edge);
  });
});
