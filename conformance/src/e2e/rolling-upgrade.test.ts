import { commonColumns, digestColumns, digestTables, listQuarantine, newId } from "@hayloft/engine";
import { freshPglite, freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { countOf } from "./equal-tables.ts";
import { FleetNode, fleetTenant } from "./fleet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

let hub: FleetNode;
let edges: readonly [FleetNode, FleetNode, FleetNode];
/** The first three are of their edges' versions or older; the last is newer than its edge. */
let tablets: readonly [FleetNode, FleetNode, FleetNode, FleetNode];
const all = (): readonly FleetNode[] => [hub, ...edges, ...tablets];
const below = (): readonly FleetNode[] => [...edges, ...tablets];

beforeAll(async () => {
  hub = await FleetNode.start(await freshPostgres(), "cloud", 1);
  const oldEdge = await FleetNode.start(await freshPglite(), "edge", 1, hub);
  const oldTablet = await FleetNode.start(await freshPglite(), "tablet", 1, oldEdge);
  await hub.become(3);
  const [middle, newest] = [
    await FleetNode.start(await freshPostgres(), "edge", 2, hub),
    await FleetNode.start(await freshPostgres(), "edge", 3, hub),
  ];
  edges = [oldEdge, middle, newest];
  tablets = [
    oldTablet,
    await FleetNode.start(await freshPostgres(), "tablet", 1, middle),
    await FleetNode.start(await freshPostgres(), "tablet", 2, newest),
    await FleetNode.start(await freshPostgres(), "tablet", 2, oldEdge),
  ];
});
afterAll(async () => {
  for (const node of all().toReversed()) await node.end();
});

/** What a node holds of the columns that all versions have, under the names of the first. */
async function common({ database, version }: FleetNode): Promise<unknown> {
  const words = version === 1 ? "body" : "words";
  const place = version === 3 ? "site" : "place";
  const read = async (sql: string): Promise<unknown> => (await database.query(sql, [fleetTenant])).rows;
  return {
    notes: await read(`select id, ${words} as body from note where tenant_id = $1 order by id`),
    gauges: await read("select id, level from gauge where tenant_id = $1 order by id"),
    places: await read(`select id, name from ${place} where tenant_id = $1 order by id`),
  };
}

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);

async function becomeAlike(nodes: readonly FleetNode[], read: (node: FleetNode) => Promise<unknown>): Promise<void> {
  let seen: readonly unknown[] = [];
  await until(
    "equal rows",
    async () => {
      seen = await Promise.all(nodes.map(read));
      return seen.every((item) => same(item, seen[0]));
    },
    120_000,
  ).catch((error: unknown) => {
    throw new Error(`rows differ: ${JSON.stringify(seen)}`, { cause: error });
  });
}

/** Each node writes a row of its own, and all write the same ones. */
async function everybodyWrites(round: string, nodes: readonly FleetNode[]): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    await node.note(`${round}-${String(index)}`, `by ${String(index)}`);
    await node.note(`${round}-shared`, `from ${String(index)}`);
    await node.gauge(`${round}-gauge`, node === hub ? 50 : 10 + ((index * 7) % 20));
    if (node !== hub) await node.reading(newId(), index);
  }
}

describe("a fleet of three versions", () => {
  it("F-F1 F-F6 S11.4 all write at once; those that have a session end equal in what all versions have", async () => {
    await hub.database.query("insert into site (tenant_id, id, name, colour) values ($1, 'p', 'Barn', 'red')", [fleetTenant]);
    await everybodyWrites("one", all());
    await becomeAlike(
      all().filter((node) => node !== tablets[3]),
      common,
    );
    // The digests of what two versions have in common say the same.
    for (const node of [...edges, ...tablets.slice(0, 3)]) {
      const { newer, older } = commonColumns(hub.declared.catalog, node.version);
      const tables = ({ name }: { readonly name: string }): boolean => name !== "reading" && name !== "replica_node";
      const [here, there] = [
        await digestColumns(hub.database, fleetTenant, newer.filter(tables)),
        await digestColumns(node.database, fleetTenant, older.filter(tables)),
      ];
      expect(here.map(({ table }) => table)).toContain("note");
      expect(there).toEqual(here);
    }
    // The hub's version says that a gauge only rises; older ones would have let the last writer win.
    const { rows } = await edges[0].database.query("select level from gauge where id = 'one-gauge'");
    expect(rows).toEqual([{ level: 50 }]);
    await until("six readings", async () => (await countOf(hub.database, "reading where value = round(value)")) === 6);
    expect(await countOf(hub.database, "hayloft.quarantine")).toBe(0);
  });

  it("F-F2 a tablet newer than its edge waits with the reason, works on, and its row reaches nobody yet", async () => {
    await until("the refusal", async () => (await tablets[3].waitsFor()) === "catalog-version");
    await tablets[3].note("waiting", "kept here");
    expect(await countOf(tablets[3].database, "note where id = 'waiting'")).toBe(1);
    expect(await countOf(edges[0].database, "note where id = 'waiting'")).toBe(0);
  });

  it("S10.5 what an older version has no place for is not sent to it, and what it writes is not undone by that", async () => {
    await hub.database.query("update note set pinned = true where id = 'one-shared'");
    await hub.database.query("insert into tag (tenant_id, id, label, weight) values ($1, 'x', 'label', 3)", [fleetTenant]);
    await until(
      "the tag at the second version",
      async () => (await countOf(edges[1].database, "tag where label = 'label'")) === 1,
    );
    await until("the pin", async () => (await countOf(tablets[2].database, "note where id = 'one-shared' and pinned")) === 1);
    await edges[0].note("one-shared", "corrected by the old edge");
    await until(
      "the correction everywhere",
      async () => (await countOf(tablets[2].database, "note where words = 'corrected by the old edge' and pinned")) === 1,
    );
    expect(await countOf(hub.database, "note where words = 'corrected by the old edge' and pinned")).toBe(1);
  });

  it("F-F7 S10.7 what a tightened check refuses is kept on both tiers, and the stream flows on", async () => {
    const id = newId();
    await edges[0].reading(id, -5);
    const later = newId();
    await edges[0].reading(later, 5);
    await until("the later row", async () => (await countOf(hub.database, "reading where id = $1", [later])) === 1);
    expect(await countOf(hub.database, "reading where id = $1", [id])).toBe(0);
    for (const node of [hub, edges[0]]) {
      await until(`the refusal of version ${String(node.version)}`, async () =>
        (await listQuarantine(node.database, fleetTenant)).some(({ code }) => code === "refused-constraint"),
      );
      const [held] = await listQuarantine(node.database, fleetTenant);
      expect(held).toMatchObject({ code: "refused-constraint", commit: { catalogVersion: 1 } });
      expect(held?.commit.changes[0]?.values.flat()).toContain("-5");
    }
  });

  it("F-F1 S11.4 S11.5 with unsent work in every node, all are upgraded one by one and end fully equal", async () => {
    for (const node of edges) await node.close();
    for (const [index, tablet] of tablets.entries()) await tablet.note(`two-${String(index)}`, `unsent by ${String(index)}`);
    for (const node of tablets) await node.close();
    for (const edge of edges) await edge.become(3);
    for (const [index, edge] of edges.entries())
      await edge.note(`three-${String(index)}`, `after the upgrade by ${String(index)}`);
    for (const tablet of tablets) await tablet.become(3);
    for (const node of below()) await until("a session", async () => (await node.waitsFor()) === null);
    await everybodyWrites("four", all());
    const tables = ["note", "gauge", "site", "tag"];
    await becomeAlike(
      all(),
      async ({ database, declared }) => await digestTables(database, declared.catalog, fleetTenant, tables),
    );
    const notes = ["waiting", "two-0", "two-1", "two-2", "two-3", "three-0", "three-1", "three-2"];
    for (const node of all()) {
      const { rows } = await node.database.query<{ id: string }>("select id from note where id = any($1::text[])", [notes]);
      expect(rows.map(({ id }) => id).sort()).toEqual(notes.toSorted());
    }
    expect(await countOf(tablets[0].database, "site where colour = 'red'")).toBe(1);
    expect(await countOf(tablets[0].database, "tag where weight = 3")).toBe(1);
    await until("every reading once", async () => (await countOf(hub.database, "reading")) === 15);
  });
});
