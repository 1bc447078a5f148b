import { expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import { text, uuid } from "../catalog/column.ts";
import { lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { newId } from "../identity/new-id.ts";
import { listLosses } from "../journal/list-losses.ts";
import { quarantineTables } from "../quarantine/quarantine-tables.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { exchange, pushUp, TENANT, TestReplica } from "./test-replica.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const tiers = ["cloud", "edge"] as const;
const memo = table("memo", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: { tenant_id: text(), id: uuid(), title: text(), body: text().nullable() },
  scope: { tenant: "tenant_id" },
  writers: [...tiers],
  flow: "both",
  rule: lastWriterWins(),
  retain: { cloud: forever, edge: forever },
});
const memos = catalog({
  name: "memos",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant: "shared",
  tables: [memo, ...quarantineTables(tiers)],
});

interface Pair {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly ids: readonly string[];
}

/** A cloud and an edge that hold the same rows, of two commits. */
async function pair(open: OpenDatabase): Promise<Pair> {
  const [cloud, edge] = await Promise.all(tiers.map(async (tier) => await TestReplica.open(open, tier, { catalog: memos })));
  if (cloud === undefined || edge === undefined) throw new Error("no replica");
  const ids = Array.from({ length: 6 }, () => newId()).sort();
  for (const half of [ids.slice(0, 3), ids.slice(3)])
    await edge.sql("insert into memo select 't1', id, 'first', null from unnest($1::uuid[]) as id", [half]);
  await exchange(edge, cloud);
  return { cloud, edge, ids };
}

const id = (ids: readonly string[], place: number): string => ids[place] ?? "";

const ROWS = "select id, title, body from memo order by id";
const lost = async (replica: TestReplica): Promise<readonly unknown[]> =>
  (await listLosses(replica.database, { tenant: TENANT })).entries.map((entry) => [
    entry.column,
    entry.lost.value,
    entry.won.value,
  ]);

/** Both replicas hold the same rows with the same losses. */
async function expectEqual({ cloud, edge }: Pair): Promise<void> {
  expect(await edge.sql(ROWS)).toEqual(await cloud.sql(ROWS));
  expect(await edge.digest()).toEqual(await cloud.digest());
  expect(await lost(edge)).toEqual(await lost(cloud));
}

const close = async ({ cloud, edge }: Pair): Promise<void> => void (await Promise.all([cloud.close(), edge.close()]));

/** The database, with the statements that it is asked for. */
function watched(database: Database, statements: string[]): Database {
  const watch = (tx: SqlSession): SqlSession => ({
    query: async (sql, parameters) => {
      statements.push(sql);
      return await tx.query(sql, parameters);
    },
    script: async (sql) => await tx.script(sql),
  });
  return {
    ...watch(database),
    dialect: database.dialect,
    durability: database.durability,
    transaction: async (work, options) => await database.transaction(async (tx) => await work(watch(tx)), options),
    onWrite: (listener) => database.onWrite(listener),
    close: async () => await database.close(),
  };
}

const readsRows = (sql: string): boolean => sql.includes("from hayloft.row_state where") || sql.includes("for update of t");

/** The cloud applies what the edge has written, and says whether it had to look at rows. */
async function pushWatched({ cloud, edge }: Pair): Promise<boolean> {
  const [cursor] = await edge.storage.acknowledgedCursors(cloud.nodeId);
  const slice = await edge.slice(cloud, "up", cursor?.position ?? 0);
  const statements: string[] = [];
  await cloud.over(watched(cloud.database, statements)).apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
  return statements.some(readsRows);
}

eachDatabase("updates of rows that are as their writers saw them", (open) => {
  it("are written without looking at the rows, and keep what others wrote to other cells", async () => {
    const both = await pair(open);
    const { cloud, edge, ids } = both;
    await edge.sql("update memo set title = 'second ' || id where id = any($1::uuid[])", [ids.slice(0, 4)]);
    await edge.sql("update memo set title = 'third', body = '' where id = $1", [id(ids, 4)]);
    await cloud.sql("update memo set body = 'by the cloud' where id = $1", [id(ids, 0)]);
    expect(await pushWatched(both)).toBe(false);
    expect((await cloud.sql(ROWS)).map(({ title, body }) => [title, body])).toEqual([
      [`second ${id(ids, 0)}`, "by the cloud"],
      ...ids.slice(1, 4).map((name) => [`second ${name}`, null]),
      ["third", ""],
      ["first", null],
    ]);
    await exchange(edge, cloud);
    await expectEqual(both);
    expect(await lost(cloud)).toEqual([]);
    // What was stamped is what later writers see.
    await cloud.sql("update memo set title = 'fourth'");
    await exchange(edge, cloud);
    await edge.sql("update memo set title = 'fifth'");
    expect(await pushWatched(both)).toBe(false);
    await exchange(edge, cloud);
    await expectEqual(both);
    expect(await lost(cloud)).toEqual([]);
    await close(both);
  });

  it("are told from those that meet another value, a delete or each other, of which the losers are kept", async () => {
    const both = await pair(open);
    const { cloud, edge, ids } = both;
    await cloud.sql("update memo set title = 'by the cloud' where id = $1", [id(ids, 0)]);
    await cloud.sql("delete from memo where id = $1", [id(ids, 1)]);
    await edge.sql("update memo set title = 'by the edge'");
    await edge.sql("update memo set title = 'again' where id = $1", [id(ids, 5)]);
    await edge.sql("delete from memo where id = $1", [id(ids, 4)]);
    expect(await pushWatched(both)).toBe(true);
    await exchange(edge, cloud);
    await expectEqual(both);
    expect((await cloud.sql(ROWS)).map((row) => [row["id"], row["title"]])).toEqual([
      ...ids.slice(0, 4).map((name) => [name, "by the edge"]),
      [id(ids, 5), "again"],
    ]);
    expect(await lost(cloud)).toContainEqual(["title", "by the cloud", "by the edge"]);
    await close(both);
  });

  it("are refused where columns of two writers add up to a row that fits no page", async () => {
    const both = await pair(open);
    const { cloud, edge, ids } = both;
    await cloud.sql("update memo set body = repeat('b', 500000) where id = $1", [id(ids, 0)]);
    await edge.sql("update memo set title = repeat('t', 500000) where id = $1", [id(ids, 0)]);
    await edge.sql("update memo set title = 'short' where id = $1", [id(ids, 1)]);
    await pushUp(edge, cloud);
    expect(
      await cloud.sql("select left(title, 9) as title from memo where id = any($1::uuid[]) order by id", [ids.slice(0, 2)]),
    ).toEqual([{ title: "first" }, { title: "short" }]);
    expect(await cloud.sql("select code from hayloft.quarantine")).toEqual([{ code: "row-too-large" }]);
    await close(both);
  });
});
