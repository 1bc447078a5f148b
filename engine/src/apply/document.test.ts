import { expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import { jsonb, text } from "../catalog/column.ts";
import { column, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { compactMemories } from "../log/compact-memories.ts";
import { pruneLog } from "../log/prune-log.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { exchange, pullDown, TestReplica } from "./test-replica.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const pages = table("pages", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: { tenant_id: text(), id: text(), title: text().nullable(), notes: text().nullable(), tasks: jsonb().nullable() },
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: { notes: column.document({ kind: "text", bytesMax: 4_000 }), tasks: column.document({ kind: "json" }) },
  }),
  retain: { cloud: forever, edge: forever, tablet: forever },
});

const sample = catalog({
  name: "sample-documents",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud", "edge", "tablet"],
  scopes: [],
  sharedTenant: "shared",
  tables: [pages],
});

/** Folds everything that was acknowledged, however young it is. */
const FOLD = { nowMs: Date.now() + 3_600_000, olderThanMs: 0 };

const operations = async (replica: TestReplica): Promise<number> =>
  Number(
    (
      await replica.sql("select jsonb_array_length(stamps -> '$memory' -> 'notes' -> 'ops') as count from hayloft.row_state")
    )[0]?.["count"] ?? 0,
  );

interface Farm {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly tablet: TestReplica;
  /** Until everybody has everything. */
  readonly settle: () => Promise<void>;
  readonly notes: () => Promise<readonly unknown[]>;
  readonly close: () => Promise<void>;
}

async function openFarm(open: OpenDatabase): Promise<Farm> {
  const cloud = await TestReplica.open(open, "cloud", { catalog: sample });
  const edge = await TestReplica.open(open, "edge", { catalog: sample });
  const tablet = await TestReplica.open(open, "tablet", { catalog: sample });
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 2; round += 1) {
      await exchange(tablet, edge);
      await exchange(edge, cloud);
      await pullDown(tablet, edge);
    }
  };
  const all = [cloud, edge, tablet];
  const notes = async (): Promise<readonly unknown[]> =>
    await Promise.all(all.map(async (replica) => (await replica.sql("select notes from pages"))[0]?.["notes"]));
  const close = async (): Promise<void> => {
    await Promise.all(all.map(async (replica) => await replica.close()));
  };
  return { cloud, edge, tablet, settle, notes, close };
}

eachDatabase("documents", (open) => {
  it("edits that plain SQL made at different places of a text on three tiers are all in it, everywhere", async () => {
    const { cloud, edge, tablet, settle, notes, close } = await openFarm(open);
    await edge.sql("insert into pages (tenant_id, id, notes) values ('t1', 'p1', 'Barn 4. Fans checked. 🐔 12 hens moved.')");
    await settle();
    await cloud.sql("update pages set notes = replace(notes, 'Barn 4', 'Barn 4 (north)'), title = 'cloud'");
    await edge.sql("update pages set notes = replace(notes, '12 hens', '14 hens')");
    await tablet.sql("update pages set notes = notes || ' Water low.'");
    await tablet.database.transaction(async (tx) => {
      await tx.query("update pages set notes = replace(notes, 'Fans', 'Both fans')");
      await tx.query("update pages set notes = replace(notes, 'checked', 'checked twice')");
    });
    await settle();
    const merged = "Barn 4 (north). Both fans checked twice. 🐔 14 hens moved. Water low.";
    expect(await notes()).toEqual([merged, merged, merged]);
    await close();
  });

  it("ticks in one checklist and new items merge, and numbers keep every digit", async () => {
    const { cloud, edge, tablet, settle, close } = await openFarm(open);
    const tasks = `{"items": [{"id": 1, "text": "water", "done": false}, {"id": 2, "text": "feed", "done": false}], "dose": 1.50, "big": 12345678901234567890}`;
    await cloud.sql(`insert into pages (tenant_id, id, tasks) values ('t1', 'p1', '${tasks}')`);
    await settle();
    await edge.sql(`update pages set tasks = jsonb_set(tasks, '{items,0,done}', 'true')`);
    await tablet.sql(`update pages set tasks = jsonb_set(tasks, '{items,1,text}', '"feed, morning"')`);
    await cloud.sql(`update pages set tasks = jsonb_insert(tasks, '{items,0}', '{"id": 3, "text": "litter", "done": false}')`);
    await cloud.sql(`update pages set tasks = tasks || '{"by": "Ann"}'`);
    await settle();
    const merged = `{"by": "Ann", "big": 12345678901234567890, "dose": 1.50, "items": [{"id": 3, "done": false, "text": "litter"}, {"id": 1, "done": true, "text": "water"}, {"id": 2, "done": false, "text": "feed, morning"}]}`;
    for (const replica of [cloud, edge, tablet])
      expect(await replica.sql("select tasks::text as tasks from pages")).toEqual([{ tasks: merged }]);
    await close();
  });

  it("nothing and an empty text are told apart, and two who begin a page both keep their words", async () => {
    const { cloud, edge, tablet, settle, notes, close } = await openFarm(open);
    await edge.sql("insert into pages (tenant_id, id) values ('t1', 'p1')");
    await settle();
    expect(await notes()).toEqual([null, null, null]);
    await edge.sql("update pages set notes = ''");
    await settle();
    expect(await notes()).toEqual(["", "", ""]);
    await tablet.sql("update pages set notes = 'tablet'");
    await cloud.sql("update pages set notes = 'cloud'");
    await settle();
    const [merged] = await notes();
    expect(new Set(await notes())).toEqual(new Set([merged]));
    expect(merged).toContain("tablet");
    expect(merged).toContain("cloud");
    await cloud.sql("update pages set notes = null");
    await settle();
    expect(await notes()).toEqual([null, null, null]);
    await close();
  });

  it("a text above its limit is refused where it is written, and may be made shorter", async () => {
    const { edge, close } = await openFarm(open);
    await expect(edge.sql("insert into pages (tenant_id, id, notes) values ('t1', 'p1', repeat('x', 4001))")).rejects.toThrow();
    await edge.sql("insert into pages (tenant_id, id, notes) values ('t1', 'p1', repeat('x', 4000))");
    await expect(edge.sql("update pages set notes = notes || 'y'")).rejects.toMatchObject({ details: { sqlstate: "HL013" } });
    await edge.sql("update pages set notes = 'short'");
    await close();
  });

  it("history is folded when all have acknowledged it; an edit made long ago still finds its place on all tiers", async () => {
    const { cloud, edge, tablet, settle, notes, close } = await openFarm(open);
    await edge.sql("insert into pages (tenant_id, id, notes) values ('t1', 'p1', 'One line. Another line.')");
    await settle();
    await tablet.sql("update pages set notes = replace(notes, 'Another', 'Yet another')");
    for (let count = 0; count < 5; count += 1) await cloud.sql("update pages set notes = 'Hub ' || notes");
    await exchange(edge, cloud);
    // As long as the log holds what somebody may still need, so does the memory.
    expect(await compactMemories(cloud.database, sample, FOLD)).toBe(0);
    await pruneLog(cloud.database, sample, { ...FOLD, hasParent: false });
    expect(await compactMemories(cloud.database, sample, FOLD)).toBe(1);
    expect(await compactMemories(cloud.database, sample, FOLD)).toBe(0);
    expect(await operations(cloud)).toBe(0);
    await settle();
    const merged = "Hub Hub Hub Hub Hub One line. Yet another line.";
    expect(await notes()).toEqual([merged, merged, merged]);
    for (const replica of [cloud, edge, tablet]) expect(await operations(replica)).toBe(1);
    await edge.sql("update pages set notes = notes || ' After.'");
    await settle();
    expect(new Set(await notes())).toEqual(new Set([`${merged} After.`]));
    await close();
  });

  it("a cell with too many operations is folded before anybody acknowledged them", async () => {
    const { cloud, close } = await openFarm(open);
    await cloud.sql("insert into pages (tenant_id, id, notes) values ('t1', 'p1', '')");
    for (let count = 0; count < 11; count += 1)
      await cloud.sql("update pages set notes = notes || $1::text", [String(count % 10)]);
    const options = { nowMs: Date.now(), olderThanMs: 86_400_000 };
    expect(await compactMemories(cloud.database, sample, options)).toBe(0);
    expect(await compactMemories(cloud.database, sample, { ...options, operationsMax: 10 })).toBe(1);
    expect(await operations(cloud)).toBe(5);
    await cloud.sql("update pages set notes = notes || '!'");
    expect(await cloud.sql("select notes from pages")).toEqual([{ notes: "01234567890!" }]);
    await close();
  });
});
