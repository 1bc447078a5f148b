import fc from "fast-check";
import { expect, it } from "vitest";
import { pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { effort } from "../testing/effort.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { listQuarantine } from "./held-commit.ts";
import { forest } from "./test-forest.ts";

const SEED = 20_261_126;
const TABLES = ["tree", "branch", "leaf"] as const;
const foreignKeys = `alter table branch drop constraint branch_tenant_id_tree_id_fkey;
  alter table leaf drop constraint leaf_tenant_id_branch_id_fkey;
  alter table leaf drop constraint leaf_tenant_id_beside_id_fkey`;

interface Row {
  readonly sql: string;
  readonly values: readonly (string | null)[];
}

/** A random forest of three generations, its leaves pointing at each other too, as single rows in parent-first order. */
function forestOf(shape: readonly (readonly number[])[], beside: readonly number[], run: number): readonly Row[] {
  const trees: Row[] = [];
  const branches: Row[] = [];
  const leaves: string[] = [];
  const parents: string[] = [];
  for (const [t, counts] of shape.entries()) {
    trees.push({ sql: "insert into tree values ('t1', $1, 'x')", values: [`${String(run)}t${String(t)}`] });
    for (const [b, count] of counts.entries()) {
      const id = `${String(run)}t${String(t)}b${String(b)}`;
      branches.push({ sql: "insert into branch values ('t1', $1, $2, 'x')", values: [id, `${String(run)}t${String(t)}`] });
      for (let l = 0; l < count; l += 1) {
        leaves.push(`${id}l${String(l)}`);
        parents.push(id);
      }
    }
  }
  const rows = leaves.map((id, index): Row => {
    const other = leaves[(beside[index % beside.length] ?? 0) % Math.max(1, index)] ?? null;
    return { sql: "insert into leaf values ('t1', $1, $2, $3)", values: [id, parents[index] ?? "", index === 0 ? null : other] };
  });
  return [...trees, ...branches, ...rows];
}

const shapes = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });
const besides = fc.array(fc.nat(50), { minLength: 1, maxLength: 6 });

eachDatabase("children before their parents", (open) => {
  it("F-D4 in every order, over two edges and with parents written at the hub, end as in order", async () => {
    const cloud = await TestReplica.open(open, "cloud", { catalog: forest });
    const edges = [
      await TestReplica.open(open, "edge", { catalog: forest }),
      await TestReplica.open(open, "edge", { catalog: forest }),
    ];
    for (const edge of edges) await edge.database.script(foreignKeys);
    let run = 0;
    let waited = 0;
    const property = fc.asyncProperty(shapes, besides, fc.infiniteStream(fc.nat(1_000_000)), async (shape, beside, draws) => {
      run += 1;
      const rows = forestOf(shape, beside, run);
      const order = rows
        .map((row) => ({ row, at: draws.next().value }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ row }) => row);
      for (const { sql, values } of order) {
        const place = draws.next().value % 3;
        const isTree = sql.includes("into tree");
        // The hub's own foreign keys hold: only what refers to nothing can be written there out of order.
        if (place === 2 && isTree) {
          await cloud.sql(sql, values);
          await cloud.storage.tendHeld(TENANT);
          continue;
        }
        const edge = edges[place % 2];
        if (edge === undefined) throw new Error("two edges");
        await edge.sql(sql, values);
        await pushUp(edge, cloud);
        waited += (await listQuarantine(cloud.database, TENANT)).length;
      }
      expect(await listQuarantine(cloud.database, TENANT)).toEqual([]);
      for (const table of TABLES) {
        const expected = rows.filter(({ sql }) => sql.includes(`into ${table} `)).map(({ values }) => values[0]);
        const found = await cloud.sql(`select id from ${table} where id like '${String(run)}t%'`);
        expect(found).toHaveLength(expected.length);
        expect(new Set(found.map((row) => row["id"]))).toEqual(new Set(expected));
      }
    });
    await fc.assert(property, { numRuns: effort(6), seed: SEED, endOnFailure: true });
    expect(waited).toBeGreaterThan(10);
    for (const edge of edges) await pushUp(edge, cloud);
    for (const edge of edges) expect(await listQuarantine(edge.database, TENANT)).toEqual([]);
    await Promise.all([cloud.close(), ...edges.map((edge) => edge.close())]);
  }, 300_000);

  it("F-D4 rows that refer to each other in a circle, in one commit or in two, are applied", async () => {
    const cloud = await TestReplica.open(open, "cloud", { catalog: forest });
    const edge = await TestReplica.open(open, "edge", { catalog: forest });
    await edge.database.script(foreignKeys);
    await edge.sql("insert into leaf values ('t1', 'a', 'b', 'z')");
    await edge.sql("insert into leaf values ('t1', 'z', 'b', 'a')");
    await pushUp(edge, cloud);
    expect(await listQuarantine(cloud.database, TENANT)).toHaveLength(2);
    await cloud.sql("insert into tree values ('t1', 't', 'x')");
    await cloud.sql("insert into branch values ('t1', 'b', 't', 'x')");
    await cloud.storage.tendHeld(TENANT);
    expect(await cloud.sql("select id from leaf order by id")).toEqual([{ id: "a" }, { id: "z" }]);
    await Promise.all([cloud.close(), edge.close()]);
  }, 120_000);
});
