import { planFarm } from "@hayloft/device-simulator";
import type { Table } from "@hayloft/engine";
import { isReplicated } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { effort } from "@hayloft/engine/testing";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import type { Row } from "./farm-rows.ts";
import { changeableColumn, mayDelete, mayInsert, newValue, rowArbitrary } from "./farm-rows.ts";
import { FarmWriter } from "./farm-writer.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-every", "f-every", 2);
const { tenant } = plan;
const place = { tenant, farm: plan.farm, barn: plan.barns[0]?.barn ?? "" };
/** What enrolment and the tenant's own row fill is not made up. */
const tables = farmCatalog.tables.filter((table) => isReplicated(table) && !["replica_node", "tenants"].includes(table.name));
const tabletTables = sharedTables("cloud", "edge", "tablet").filter((name) => !["farms", "replica_node"].includes(name));
/** So that a mistake in choosing the tables does not make the test empty. */
const tablesAtLeast = { cloud: 40, edge: 15, tablet: 15 } as const;
const SEED = 20_260_501;

let hub: TestHub;
let edge: TestEdge;
let tablet: TestTablet;
let writers: Readonly<Record<"cloud" | "edge" | "tablet", FarmWriter>>;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant });
  tablet = await TestTablet.enrol(hub, { tenant });
  await tablet.connect(edge.address);
  writers = {
    cloud: new FarmWriter(hub.hub.replica, tenant),
    edge: new FarmWriter(edge.daemon.replica, tenant),
    tablet: new FarmWriter(tablet.replica, tenant),
  };
});
afterAll(async () => {
  await tablet.end();
  await edge.end();
  await hub.end();
});

const quarantined = async (): Promise<readonly unknown[]> => {
  const found = [hub.database, edge.database, tablet.database].map(
    async (database) =>
      (await database.query("select tenant_id, origin, seq, code, changes->'changes' as changes from hayloft.quarantine")).rows,
  );
  return (await Promise.all(found)).flat();
};

const equalEverywhere = async (): Promise<void> => {
  await becomeEqual(edge.database, hub.database, tenant, sharedTables("cloud", "edge"));
  await becomeEqual(tablet.database, hub.database, tenant, tabletTables.filter(isBothWays));
};
/** What the hub itself writes into a table that only flows up stays there, so nothing can be compared. */
const isWritable = (table: Table, tier: string): boolean => mayInsert(table, tier) && !(tier === "cloud" && table.flow === "up");
const isBothWays = (name: string): boolean => farmCatalog.byName.get(name)?.flow !== "up";

/** Inserts made-up rows until enough were stored; fails when the table takes none. */
async function insertSome(writer: FarmWriter, table: Table, tier: string, count: number): Promise<readonly Row[]> {
  const stored: Row[] = [];
  for (const raw of fc.sample(rowArbitrary(table, tier, place), { numRuns: 60, seed: SEED })) {
    const row = await writer.insert(table, raw);
    if (row !== null) stored.push(row);
    if (stored.length === count) return stored;
  }
  throw new Error(`${tier} could store only ${stored.length} made-up rows in ${table.name}`);
}

async function updateOne(writer: FarmWriter, table: Table, column: string, row: Row): Promise<void> {
  for (const value of fc.sample(newValue(table, column), { numRuns: 40, seed: SEED + 1 })) {
    if (await writer.update(table, row, column, value)) return;
  }
  throw new Error(`no made-up value of ${table.name}.${column} was taken`);
}

describe("every table of the farm, at every tier that may write it", () => {
  it.each(["cloud", "edge", "tablet"] as const)(
    "T-C5 P-C5 P-C6 inserts, updates and deletes of the tier %s are equal everywhere",
    async (tier) => {
      const writer = writers[tier];
      const done: string[] = [];
      for (const table of tables.filter((item) => isWritable(item, tier))) {
        const [kept, changed, gone] = await insertSome(writer, table, tier, 3);
        if (kept === undefined || changed === undefined || gone === undefined) throw new Error("three rows were stored");
        const column = changeableColumn(table, tier);
        if (column !== null) await updateOne(writer, table, column, changed);
        if (mayDelete(table, tier)) expect([table.name, await writer.delete(table, gone)]).toEqual([table.name, true]);
        done.push(table.name);
      }
      await equalEverywhere();
      expect(await quarantined()).toEqual([]);
      expect(done.length).toBeGreaterThanOrEqual(tablesAtLeast[tier]);
    },
  );

  it.each(["cloud", "tablet"] as const)(
    "T-C5 P-C5 S4.2 what the tier %s may change in rows that only another tier makes is equal everywhere",
    async (tier) => {
      const changed: string[] = [];
      for (const table of tables.filter((item) => item.flow !== "up" && !mayInsert(item, tier))) {
        const column = changeableColumn(table, tier);
        const row = column === null ? null : await writers[tier].anyRow(table);
        if (column === null || row === null) continue;
        await updateOne(writers[tier], table, column, row);
        changed.push(table.name);
      }
      expect(changed).toContain("weight_sessions");
      await equalEverywhere();
      expect(await quarantined()).toEqual([]);
    },
  );

  it("T-C4 P-C4 S3.2 the hub accepts each row that an edge's or a tablet's own constraints accept", async () => {
    const generated = (tier: "edge" | "tablet") =>
      fc.tuple(
        ...tables
          .filter((table) => mayInsert(table, tier))
          .map((table) =>
            fc.array(rowArbitrary(table, tier, place), { minLength: 4, maxLength: 4 }).map((rows) => ({ table, rows })),
          ),
      );
    const property = fc.asyncProperty(generated("edge"), generated("tablet"), async (edgeRows, tabletRows) => {
      for (const [writer, made] of [
        [writers.edge, edgeRows],
        [writers.tablet, tabletRows],
      ] as const) {
        for (const { table, rows } of made) for (const row of rows) await writer.insert(table, row);
      }
      await equalEverywhere();
      expect(await quarantined()).toEqual([]);
    });
    await fc.assert(property, { numRuns: effort(3), endOnFailure: true });
    // Not vacuous: most of what was made up was stored.
    const stored = [writers.edge, writers.tablet].reduce((sum, { written }) => sum + [...written.values()].flat().length, 0);
    expect(stored).toBeGreaterThan(writers.edge.refused + writers.tablet.refused);
    expect(await countOf(hub.database, "barn_mortality_event where tenant_id = $1", [tenant])).toBeGreaterThan(10);
  });
});
