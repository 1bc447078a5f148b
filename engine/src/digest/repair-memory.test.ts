import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { sampleMemory } from "../apply/sample-memory.ts";
import { exchange, pullDown, TestReplica } from "../apply/test-replica.ts";
import { catalog } from "../catalog/catalog.ts";
import { jsonb, text } from "../catalog/column.ts";
import { column, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import { compare, damage, found, repairs } from "./test-damage.ts";

const everywhere = { cloud: forever, edge: forever, tablet: forever };

const page = table("page", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: { tenant_id: text(), id: text(), words: text().nullable(), tasks: jsonb().nullable() },
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: { words: column.document({ kind: "text", bytesMax: 4_000 }), tasks: column.document({ kind: "json" }) },
  }),
  retain: everywhere,
});

const sample = catalog({ ...sampleMemory, name: "sample-repair", tables: [...sampleMemory.tables, page] });
const TABLES = ["stock", "lot", "page"];

let cloud: TestReplica;
let edge: TestReplica;
let tablet: TestReplica;

const settle = async (): Promise<void> => {
  for (let round = 0; round < 2; round += 1) {
    await exchange(tablet, edge);
    await exchange(edge, cloud);
    await pullDown(tablet, edge);
  }
};

beforeAll(async () => {
  cloud = await TestReplica.open(freshPostgres, "cloud", { catalog: sample });
  edge = await TestReplica.open(freshPglite, "edge", { catalog: sample });
  tablet = await TestReplica.open(freshPglite, "tablet", { catalog: sample });
  await edge.sql(`insert into stock (tenant_id, id, on_hand, labels, days) values ('t1', 's1', 100, '["a"]', 3)`);
  await edge.sql("insert into lot (tenant_id, id, name, best, cost) values ('t1', 'l1', 'lot', 5, 7)");
  await edge.sql(`insert into page (tenant_id, id, words, tasks) values ('t1', 'p1', 'Fans checked.', '{"fans": true}')`);
  await settle();
  // Each value is made of operations of several.
  await cloud.sql(`update stock set on_hand = on_hand - 5, labels = '["a", "c"]', days = 5`);
  await tablet.sql(`update stock set on_hand = on_hand + 2, labels = '["a", "t"]', days = 4`);
  await tablet.sql("update page set words = 'Fans checked. Hens moved.'");
  await cloud.sql("update page set words = 'All fans checked.'");
  await settle();
});
afterAll(async () => await Promise.all([cloud, edge, tablet].map(async (replica) => await replica.close())));
beforeEach(async () => {
  for (const replica of [cloud, edge, tablet]) await damage(replica, "delete from hayloft.loss where rule = 'repair'");
});

const values = async (replica: TestReplica): Promise<unknown> => [
  await replica.sql("select on_hand, labels, days from stock"),
  await replica.sql("select name, best from lot"),
  await replica.sql("select words, tasks from page"),
];

const ALTERED = [
  `update stock set on_hand = 1, labels = '["x"]'`,
  "update lot set best = 4",
  `update page set words = 'altered', tasks = '{"fans": false}'`,
];
const altered = [
  ["page", "tasks", '{"fans": false}', '{"fans": true}'],
  ["page", "words", "altered", "All fans checked. Hens moved."],
];

it("R-24-8 counters, sets and documents that were altered at the child come back from what is remembered of their operations", async () => {
  const before = await values(edge);
  for (const sql of ALTERED) await damage(edge, sql);
  expect(await compare(edge, cloud, TABLES)).toEqual(
    expect.arrayContaining(TABLES.map((name) => expect.objectContaining(found(name, { healedHere: 1 })))),
  );
  expect(await values(edge)).toEqual(before);
  expect(await edge.digest()).toEqual(await cloud.digest());
  expect(await repairs(edge)).toEqual(expect.arrayContaining([["stock", "on_hand", "1", "97"], ...altered]));
  expect(await repairs(cloud)).toEqual([]);
  expect(await compare(edge, cloud, TABLES)).toEqual([]);
});

it("R-24-6 R-24-8 the same at the parent, and a row that is gone there", async () => {
  const before = await values(cloud);
  for (const sql of ALTERED) await damage(cloud, sql);
  await damage(cloud, "delete from stock");
  expect(await compare(edge, cloud, TABLES)).toEqual(
    expect.arrayContaining(TABLES.map((name) => expect.objectContaining(found(name, { healedAbove: 1 })))),
  );
  expect(await values(cloud)).toEqual(before);
  expect(await repairs(cloud)).toEqual(expect.arrayContaining([["stock", "$deleted", null, null], ...altered]));
  expect(await repairs(edge)).toEqual([]);
  // A counter that was repaired counts on.
  await tablet.sql("update stock set on_hand = on_hand - 7");
  await settle();
  expect((await cloud.sql("select on_hand from stock"))[0]).toEqual({ on_hand: 90 });
});

it("a tablet below an edge compares with the edge: damage of either is gone, and what the tablet may not see stays as it is", async () => {
  const before = await values(edge);
  await damage(tablet, "update stock set on_hand = 1");
  await damage(tablet, "delete from page");
  await damage(edge, "update lot set name = 'altered', cost = 8");
  await damage(edge, "update page set words = 'altered'");
  expect(await compare(tablet, edge, TABLES)).toEqual(
    expect.arrayContaining([
      expect.objectContaining(found("stock", { healedHere: 1 })),
      expect.objectContaining({ table: "lot", healedAbove: 1, left: 0 }),
      expect.objectContaining({ table: "page", left: 0 }),
    ]),
  );
  expect(await values(tablet)).toEqual(before);
  expect(await values(edge)).toEqual(before);
  // The hidden column is the business of the edge and its parent.
  expect((await tablet.sql("select cost from lot"))[0]).toEqual({ cost: 0 });
  expect(await compare(edge, cloud, TABLES)).toEqual([]);
  expect(await edge.digest()).toEqual(await cloud.digest());
});
