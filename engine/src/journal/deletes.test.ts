import { afterAll, beforeAll, expect, it } from "vitest";
import { type MemoryFarm, openMemoryFarm } from "../apply/memory-farm.ts";
import { exchange, TENANT, type TestReplica } from "../apply/test-replica.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { listLosses } from "./list-losses.ts";
import { undoLoss } from "./undo-loss.ts";

const losses = async (replica: TestReplica, table: string, row: string): Promise<readonly unknown[]> =>
  (await listLosses(replica.database, { tenant: TENANT, table, key: [row] })).entries.map(({ id, column, rule, lost }) => [
    id,
    column,
    rule,
    lost.value,
  ]);

/** Per table what lost; the same entries at every replica that had applied it. */
async function lostOf(table: string, row: string): Promise<readonly unknown[]> {
  const { cloud, edge, tablet } = farm;
  const [first = [], ...others] = await Promise.all(
    [cloud, edge, tablet].map(async (replica) => await losses(replica, table, row)),
  );
  for (const other of others) expect([table, new Set(other)]).toEqual([table, new Set(first)]);
  return first.map((entry) => (entry as readonly unknown[]).slice(1));
}

const tables = ["pen", "gate", "herd"];
const each = async (replica: TestReplica, row: string, sql: string): Promise<void> => {
  for (const table of tables) await replica.sql(sql.replace("$table", table), [row]);
};

const INSERT = "insert into $table (tenant_id, id, name, heads) values ('t1', $1, 'old', 3)";
const tombstone = (column: string, value: string | null): readonly unknown[] => [column, "tombstone", value];

let farm: MemoryFarm;
beforeAll(async () => {
  farm = await openMemoryFarm(freshPglite);
}, 180_000);
afterAll(async () => await farm.close());

it("of a delete and an update made apart exactly the one that the table lets lose is in every journal", async () => {
  const { edge, tablet, settle } = farm;
  await each(edge, "first", INSERT);
  await settle();
  await each(tablet, "first", "update $table set name = 'before the delete' where id = $1");
  await each(edge, "first", "delete from $table where id = $1");
  await settle();
  expect(await lostOf("pen", "first")).toEqual([tombstone("name", "before the delete")]);
  expect(await lostOf("gate", "first")).toEqual([tombstone("name", "before the delete")]);
  expect(await lostOf("herd", "first")).toEqual([tombstone("$deleted", null)]);
});

it("an update after a delete that did not know of it loses where deletes win, and else the delete does", async () => {
  const { edge, tablet, settle } = farm;
  await each(edge, "second", INSERT);
  await settle();
  await each(tablet, "second", "delete from $table where id = $1");
  await each(edge, "second", "update $table set name = 'after the delete' where id = $1");
  await settle();
  expect(await lostOf("pen", "second")).toEqual([tombstone("$deleted", null)]);
  expect(await lostOf("gate", "second")).toEqual([tombstone("name", "after the delete")]);
  expect(await lostOf("herd", "second")).toEqual([tombstone("$deleted", null)]);
});

it("who deletes, inserts again or updates what he has seen makes nobody lose, under each outcome", async () => {
  const { cloud, edge, tablet, settle } = farm;
  await each(edge, "third", INSERT);
  await settle();
  await each(tablet, "third", "update $table set name = 'seen' where id = $1");
  await settle();
  await each(cloud, "third", "delete from $table where id = $1");
  await settle();
  await each(edge, "third", INSERT);
  await settle();
  await each(tablet, "third", "update $table set name = 'again' where id = $1");
  await settle();
  for (const table of tables) {
    expect(await lostOf(table, "third")).toEqual([]);
    expect(await cloud.sql(`select name from ${table} where id = 'third'`)).toEqual([{ name: "again" }]);
  }
});

/** Statements of one transaction in each of the tables. */
const together = async (replica: TestReplica, row: string, ...statements: readonly string[]): Promise<void> =>
  await replica.database.transaction(async (tx) => {
    for (const table of tables) for (const sql of statements) await tx.query(sql.replace("$table", table), [row]);
  });

it("of a row that one transaction deletes and inserts again nothing is lost that its writer saw, nor the delete", async () => {
  const { cloud, edge, tablet, settle } = farm;
  await each(edge, "fourth", INSERT);
  await settle();
  await each(cloud, "fourth", "update $table set heads = heads + 1 where id = $1");
  await together(tablet, "fourth", "delete from $table where id = $1", INSERT.replace("'old'", "'new'"));
  await settle();
  for (const table of tables) expect([table, await lostOf(table, "fourth")]).toEqual([table, []]);
});

it("what one transaction saw of a column counts by itself, whatever its earlier statements replaced", async () => {
  const { edge, tablet, settle } = farm;
  await each(edge, "eighth", INSERT);
  await settle();
  await each(tablet, "eighth", "update $table set name = 'seen' where id = $1");
  const heads = "update $table set heads = heads + 1 where id = $1";
  await together(tablet, "eighth", heads, "update $table set name = 'replaced' where id = $1");
  await settle();
  for (const table of tables) expect([table, await lostOf(table, "eighth")]).toEqual([table, []]);
});

it("of a row that one transaction changes and deletes the delete alone can lose", async () => {
  const { cloud, edge, tablet, settle } = farm;
  await each(edge, "fifth", INSERT);
  await settle();
  await together(tablet, "fifth", "update $table set name = 'given up' where id = $1", "delete from $table where id = $1");
  await each(cloud, "fifth", "update $table set name = 'after the delete' where id = $1");
  await settle();
  expect(await lostOf("pen", "fifth")).toEqual([tombstone("$deleted", null)]);
  expect(await lostOf("gate", "fifth")).toEqual([tombstone("name", "after the delete")]);
  expect(await lostOf("herd", "fifth")).toEqual([tombstone("$deleted", null)]);
});

/** A row of 3 heads to which the tablet adds 5 and the hub 1; the edge has seen the hub's when it deletes the row. */
async function deleteKnowingOne(row: string): Promise<void> {
  const { cloud, edge, tablet, settle } = farm;
  await each(edge, row, INSERT);
  await settle();
  await each(tablet, row, "update $table set heads = heads + 5 where id = $1");
  await each(cloud, row, "update $table set heads = heads + 1 where id = $1");
  await exchange(edge, cloud);
  await each(edge, row, "delete from $table where id = $1");
}

it("what was added apart from a delete is lost by itself, whichever of the two comes first, and what the delete knew is not", async () => {
  const { cloud, tablet, settle } = farm;
  await deleteKnowingOne("sixth");
  await settle();
  expect(await lostOf("pen", "sixth")).toEqual([tombstone("heads", "5")]);
  expect(await lostOf("gate", "sixth")).toEqual([tombstone("heads", "5")]);
  // The sum was kept with the lost difference in it.
  const [lost] = (await listLosses(cloud.database, { tenant: TENANT, table: "pen", key: ["sixth"] })).entries;
  await undoLoss(cloud.database, cloud.catalog, { tenant: TENANT, id: lost?.id ?? "" });
  await settle();
  expect(await tablet.sql("select heads from pen where id = 'sixth'")).toEqual([{ heads: 9 }]);
});

it("and is no longer lost when somebody brings the row back", async () => {
  const { cloud, edge, settle } = farm;
  await deleteKnowingOne("seventh");
  await exchange(edge, cloud);
  await each(cloud, "seventh", INSERT);
  await settle();
  for (const table of tables) {
    expect([table, await lostOf(table, "seventh")]).toEqual([table, []]);
    expect(await cloud.sql(`select heads from ${table} where id = 'seventh'`)).toEqual([{ heads: 8 }]);
  }
});
