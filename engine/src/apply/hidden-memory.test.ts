import { expect, it } from "vitest";
import { fill } from "../snapshot/fill-replica.ts";
import { compactMemories } from "../log/compact-memories.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { openMemoryFarm } from "./memory-farm.ts";
import { pullDown, pushUp, type TestReplica } from "./test-replica.ts";

/** Everything that the tablet's database holds of the row, its log included. */
async function kept(tablet: TestReplica): Promise<string> {
  const rows = await tablet.sql(
    `select coalesce(string_agg(t, ' '), '') as text from (select row_to_json(s)::text as t from hayloft.row_state s where table_name = 'lot'
      union all select body from hayloft.change where table_name = 'lot' union all select row_to_json(l)::text from lot l) x`,
  );
  return String(rows[0]?.["text"]);
}

it("memories of a column that is hidden from a tier stay above it: in the log, a snapshot, an answer, a folded row", async () => {
  const farm = await openMemoryFarm(freshPglite);
  const { cloud, edge, tablet, settle } = farm;
  await edge.sql("insert into lot (tenant_id, id, name, cost) values ('t1', 'l1', 'x', 4711)");
  await edge.sql("update lot set cost = cost + 1");
  await settle();
  await cloud.sql("update lot set cost = cost + 88001, name = 'of the cloud'");
  // An answer: the tablet's value loses, and it is told the row as the edge has it.
  await pullDown(edge, cloud);
  await tablet.sql("update hayloft.head set stamp = 1");
  await tablet.sql("update lot set name = 'of the tablet'");
  await edge.sql("update lot set name = 'later'");
  expect((await pushUp(tablet, edge)).outcomes).toHaveLength(1);
  await settle();
  expect(await cloud.sql("select cost from lot")).toEqual([{ cost: 92_713 }]);
  expect(
    await compactMemories(cloud.database, cloud.catalog, { nowMs: Date.now() + 1e9, olderThanMs: 0, operationsMax: 2 }),
  ).toBe(1);
  await settle();
  const fresh = await farm.another("tablet");
  await fill(fresh, edge);
  for (const replica of [tablet, fresh]) {
    const text = await kept(replica);
    expect(text).toContain("later");
    for (const secret of ["4711", "88001", "92713"]) expect(text).not.toContain(secret);
    expect(await replica.sql("select cost from lot")).toEqual([{ cost: 0 }]);
  }
  await farm.close();
});
