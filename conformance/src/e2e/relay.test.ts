import { planFarm } from "@hayloft/device-simulator";
import type { Database, ParentAddress, Replica } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import type { FarmRows } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-relay", "f-relay", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";
const place = { tenant_id: tenant, farm_id: farm, barn_id: barn };

let hub: TestHub;
let edge: TestEdge;
let other: TestEdge;
let tablets: readonly [TestTablet, TestTablet];

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  [edge, other] = await Promise.all([TestEdge.start(hub, { tenant }), TestEdge.start(hub, { tenant })]);
  const open = async (): Promise<TestTablet> => {
    const tablet = await TestTablet.enrol(hub, { tenant, farms: [farm], barns: [barn] });
    await tablet.connect(edge.address);
    return tablet;
  };
  tablets = [await open(), await open()];
});
afterAll(async () => {
  for (const tablet of tablets) await tablet.end();
  await edge.end();
  await other.end();
  await hub.end();
});

const hubAddress = (): ParentAddress => ({ url: hub.hub.syncUrl, node: hub.hub.nodeId, publicKey: hub.hub.publicKey });

async function addMortality(replica: Replica<FarmRows>, count: number) {
  const id = newId();
  const { receipt } = await replica.write(async (db) => {
    await db
      .insertInto("barn_mortality_event")
      .values({ ...place, id, occurred_at: new Date(), animal_count: count })
      .execute();
  });
  if (receipt === null) throw new Error("a replicated row has a receipt");
  return { id, receipt };
}

const has = async (database: Database, id: string): Promise<boolean> =>
  (await countOf(database, "barn_mortality_event where id = $1", [id])) === 1;

const SOON = { deadlineMs: 60_000 };
const APPLIED = { outcome: "applied", code: null };

describe("a relay", () => {
  it("S10.1 a tablet's row goes through its edge and the hub to another edge, and its receipts say parent before top", async () => {
    edge.wire.hold();
    const { id, receipt } = await addMortality(tablets[0].replica, 1);
    expect(await receipt.until("device", SOON)).toEqual(APPLIED);
    expect(await receipt.until("parent", SOON)).toEqual(APPLIED);
    expect(await has(edge.database, id)).toBe(true);
    expect(await has(hub.database, id)).toBe(false);
    await expect(receipt.until("top", { deadlineMs: 300 })).rejects.toMatchObject({ code: "receipt-timeout" });
    edge.wire.open();
    expect(await receipt.until("top", SOON)).toEqual(APPLIED);
    expect(await has(hub.database, id)).toBe(true);
    await until("the row at the other edge", async () => await has(other.database, id));
    await until("the row at the other tablet", async () => await has(tablets[1].database, id));
  });

  it("S5.31 receipts are right after the tablet and the edge were started again", async () => {
    edge.wire.hold();
    const { id, receipt } = await addMortality(tablets[0].replica, 2);
    expect(await receipt.until("parent", SOON)).toEqual(APPLIED);
    await tablets[0].close();
    await edge.stop();
    await edge.start();
    await tablets[0].open(edge.address);
    const again = tablets[0].replica.receipt(receipt);
    expect(await again.until("parent", SOON)).toEqual(APPLIED);
    await expect(again.until("top", { deadlineMs: 300 })).rejects.toMatchObject({ code: "receipt-timeout" });
    edge.wire.open();
    expect(await again.until("top", SOON)).toEqual(APPLIED);
    expect(await has(hub.database, id)).toBe(true);
    // The other tablet dialled the edge's old address.
    await tablets[1].close();
    await tablets[1].connect(edge.address);
  });

  it("S6.4 S5.10 what came over the edge is not doubled when the tablet dials the hub itself, and the other way round", async () => {
    const [tablet] = tablets;
    edge.wire.hold();
    const first = await addMortality(tablet.replica, 3);
    expect(await first.receipt.until("parent", SOON)).toEqual(APPLIED);
    await tablet.close();
    await tablet.connect(hubAddress());
    const second = await addMortality(tablet.replica, 4);
    expect(await tablet.replica.receipt(second.receipt).until("top", SOON)).toEqual(APPLIED);
    expect(await tablet.replica.receipt(first.receipt).until("top", SOON)).toEqual(APPLIED);
    edge.wire.open();
    await edge.drained();
    await tablet.close();
    await tablet.connect(edge.address);
    const third = await addMortality(tablet.replica, 5);
    expect(await third.receipt.until("top", SOON)).toEqual(APPLIED);
    for (const { id } of [first, second, third]) {
      for (const database of [hub.database, edge.database, other.database, tablets[1].database]) {
        await until("the row everywhere", async () => await has(database, id));
      }
    }
    expect(await countOf(hub.database, "hayloft.quarantine")).toBe(0);
    await becomeEqual(edge.database, hub.database, tenant, sharedTables("cloud", "edge"));
    await becomeEqual(
      other.database,
      hub.database,
      tenant,
      sharedTables("cloud", "edge").filter((name) => name !== "audit_events"),
    );
  });
});
