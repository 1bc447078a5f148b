import { join } from "node:path";
import {
  closeBatch,
  createBarn,
  createDevice,
  createFarm,
  createStation,
  grantNode,
  moveBarn,
  setDeviceEnabled,
} from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import type { Replica } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import type { FarmRows } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { DeviceMessage } from "./barn-messages.ts";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-day", "f-day", 2);
const { tenant, farm } = plan;
const barn = new BarnVoice(plan);
const place = { tenant_id: tenant, farm_id: farm, barn_id: barn.plan.barn };

let hub: TestHub;
let edge: TestEdge;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant, farms: [farm] });
});
afterAll(async () => {
  await edge.end();
  await hub.end();
});

async function say(...messages: readonly DeviceMessage[]): Promise<void> {
  const device = await connectDevice(edge.daemon.mqttUrl, newId());
  await publish(device, ...messages);
  await device.endAsync();
}

async function addMortality(replica: Replica<FarmRows>, batch: string | null): Promise<string> {
  const id = newId();
  await replica.write(async (db) => {
    await db
      .insertInto("barn_mortality_event")
      .values({ ...place, id, batch_id: batch, occurred_at: new Date(), animal_count: 3 })
      .execute();
  });
  return id;
}

const rowsOf = async (message: DeviceMessage): Promise<number> =>
  await countOf(edge.database, "telemetry_raw where event_id = $1", [message.eventId]);
const refusals = async (message: DeviceMessage): Promise<readonly string[]> =>
  (
    await edge.database.query<{ reason: string }>("select reason from ingress_refused where event_id = $1", [message.eventId])
  ).rows.map(({ reason }) => reason);

describe("a barn day", () => {
  it("D6 S1.2 S5.23 S6.4 a day without a hub, a restart in it, is whole at the hub when it is there", async () => {
    await hub.stop();
    edge.wire.hold();
    await edge.stop();
    await edge.start();
    const images = [newId(), newId()];
    const twice = barn.reading(20);
    await say(
      ...Array.from({ length: 100 }, (_, index) => barn.reading(20 + (index % 7))),
      twice,
      twice,
      barn.weigh("day", "session.created", { payload: { batch_id: barn.plan.batch } }),
      ...images.map((media_id) => barn.weigh("day", "image.captured", { payload: { media_id } })),
      barn.weigh("day", "weight.recorded", { payload: { weight_kg: 1.93 } }),
      barn.weigh("day", "inference.completed", {
        payload: { media_id: images[0], model_version: "v1", predicted_weight_kg: 1.9, confidence: 0.9 },
      }),
      barn.weigh("day", "session.finalized", { payload: { image_count: 2 } }),
      barn.dispensed(40),
      barn.status({ status: "online", firmware_version: "3.1" }),
    );
    await addMortality(edge.daemon.replica, barn.plan.batch);
    const expected: readonly (readonly [string, number])[] = [
      ["telemetry_raw", 101],
      ["weight_sessions where status = 'finalized' and session_id = 'day'", 1],
      ["session_weights where weight_kg = 1.93", 1],
      ["session_media_bindings", 2],
      ["inference_results where confidence = 0.9", 1],
      ["feed_intake_record where source = 'MQTT_DISPENSED' and quantity_kg = 40", 1],
      ["device_last_seen where firmware_version = '3.1'", 1],
      ["barn_mortality_event", 1],
    ];
    for (const [from, count] of expected) expect([from, await countOf(edge.database, from)]).toEqual([from, count]);
    await hub.start();
    edge.wire.aim(hub.url);
    edge.wire.open();
    await edge.drained();
    for (const [from, count] of expected) expect([from, await countOf(hub.database, from)]).toEqual([from, count]);
    await becomeEqual(edge.database, hub.database, tenant, sharedTables("cloud", "edge"));
    expect(await countOf(hub.database, "hayloft.quarantine")).toBe(0);
  });

  it("S6.1 an edge that starts empty has its allowlists before its first reading goes up", async () => {
    const fresh = await TestEdge.enrol(hub, { tenant, farms: [farm] });
    await fresh.start();
    const message = barn.reading(33.25);
    const device = await connectDevice(fresh.daemon.mqttUrl, "first");
    // At once: what comes before the master data is not acknowledged and not refused.
    await until(
      "the reading is taken",
      async () =>
        await publish(device, message).then(
          () => true,
          () => false,
        ),
    );
    await device.endAsync();
    expect(await countOf(fresh.database, "ingress_refused")).toBe(0);
    expect(await countOf(fresh.database, "device_allowlist where tenant_id = $1", [tenant])).toBeGreaterThan(5);
    await until(
      "it is at the hub",
      async () => (await countOf(hub.database, "telemetry_raw where event_id = $1", [message.eventId])) === 1,
    );
    await becomeEqual(
      fresh.database,
      edge.database,
      tenant,
      sharedTables("cloud", "edge").filter((name) => !["telemetry_raw", "device_last_seen", "audit_events"].includes(name)),
    );
    await fresh.end();
  });
});

describe("the registry of a running farm", () => {
  it("S5.8 S5.9 S5.20 a device and a station made at the hub speak after one sync, without SQL on site; P-C19 the wrong pair does not", async () => {
    const unknown = barn.reading(1, { device: "new-gateway" });
    await say(unknown);
    expect(await refusals(unknown)).toEqual(["not-allowed"]);
    await createDevice(hub.database, { tenant, id: "new-gateway", deviceType: "sensor-gateway", barn: barn.plan.barn });
    await createStation(hub.database, { tenant, barn: barn.plan.barn, id: "new-station", name: "New scale" });
    await until(
      "they are here",
      async () => (await countOf(edge.database, "station_allowlist where station_id = 'new-station'")) === 1,
    );
    const known = barn.reading(2, { device: "new-gateway" });
    await say(known);
    expect(await rowsOf(known)).toBe(1);
    await until(
      "it is at the hub",
      async () => (await countOf(hub.database, "telemetry_raw where event_id = $1", [known.eventId])) === 1,
    );
    const wrong = barn.weigh("pair", "session.created", { device: "nobody" });
    await say(wrong);
    expect(await refusals(wrong)).toEqual(["not-allowed"]);
  });

  it("S5.19 a device disabled at the hub is dropped after one sync; one blocked on site is dropped at once, offline, and the hub learns of it", async () => {
    await setDeviceEnabled(hub.database, tenant, "new-gateway", false);
    await until(
      "it is disabled",
      async () => (await countOf(edge.database, "device_allowlist where device_id = 'new-gateway' and not enabled")) === 1,
    );
    const disabled = barn.reading(3, { device: "new-gateway" });
    await say(disabled);
    expect([await rowsOf(disabled), await refusals(disabled)]).toEqual([0, ["disabled"]]);
    edge.wire.hold();
    await edge.daemon.monitor.block("device", barn.gateway, "spoilt");
    const blocked = barn.reading(4);
    await say(blocked);
    expect([await rowsOf(blocked), await refusals(blocked)]).toEqual([0, ["blocked-on-site"]]);
    expect(await countOf(hub.database, "audit_events where action = 'blocked-on-site'")).toBe(0);
    edge.wire.open();
    await until(
      "the hub knows",
      async () =>
        (await countOf(hub.database, "audit_events where action = 'blocked-on-site' and resource_id = $1", [barn.gateway])) === 1,
    );
    await edge.daemon.monitor.unblock("device", barn.gateway);
    const free = barn.reading(5);
    await say(free);
    expect(await rowsOf(free)).toBe(1);
  });

  it("S5.7 records for a batch that the hub closed meanwhile arrive from an offline tablet and are flagged", async () => {
    const tablet = await TestTablet.enrol(hub, { tenant, farms: [farm] });
    await tablet.connect(edge.address);
    await tablet.close();
    const batch = barn.plan.batch ?? "";
    const endDate = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
    await closeBatch(hub.database, { tenant, id: batch, endDate });
    await tablet.open(null);
    const id = await addMortality(tablet.replica, batch);
    expect(await countOf(tablet.database, "batches where status = 'active' and id = $1", [batch])).toBe(1);
    await tablet.close();
    await tablet.connect(edge.address);
    await until(
      "the record is at the hub",
      async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [id])) === 1,
    );
    for (const database of [hub.database, edge.database, tablet.database]) {
      await until(
        "the batch is closed",
        async () => (await countOf(database, "batches where id = $1 and status = 'completed'", [batch])) === 1,
      );
      expect(await countOf(database, "hayloft.quarantine")).toBe(0);
    }
    expect(await countOf(hub.database, "late_barn_records where id = $1", [id])).toBe(1);
    await tablet.end();
  });

  it("S7.4 of two administrators who choose the same name at the same time one is told", async () => {
    const attempts = await Promise.allSettled(
      [1, 2].map(async () => await createFarm(hub.database, { tenant, name: "Twin farm" })),
    );
    expect(attempts.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(attempts.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "name-taken" } });
    expect(await countOf(hub.database, "farms where tenant_id = $1 and name = 'Twin farm'", [tenant])).toBe(1);
  });

  it("S5.6 F-D6 a barn that moves to another farm while its edge is offline loses none of its unsent work, and leaves that edge whole", async () => {
    const [, moved] = plan.barns;
    const movedBarn = moved?.barn ?? "";
    await createFarm(hub.database, { tenant, id: "f-day-south", name: "South farm" });
    const south = await TestEdge.start(hub, { tenant, farms: ["f-day-south"] });
    expect(await countOf(south.database, "barns where id = $1", [movedBarn])).toBe(0);
    edge.wire.hold();
    const id = newId();
    await edge.daemon.replica.write(async (db) => {
      await db
        .insertInto("barn_mortality_event")
        .values({ tenant_id: tenant, id, farm_id: farm, barn_id: movedBarn, occurred_at: new Date(), animal_count: 7 })
        .execute();
    });
    expect(await moveBarn(hub.database, tenant, movedBarn, "f-day-south")).toMatchObject({ farm: "f-day-south" });
    const belongings = ["barns where id", "devices where barn_id", "stations where barn_id", "device_allowlist where barn_id"];
    for (const rows of belongings)
      await until(`${rows} at the new edge`, async () => (await countOf(south.database, `${rows} = $1`, [movedBarn])) > 0);
    edge.wire.open();
    await until(
      "the unsent record",
      async () => (await countOf(hub.database, "barn_mortality_event where id = $1 and animal_count = 7", [id])) === 1,
    );
    for (const rows of [...belongings, "barn_mortality_event where barn_id", "batches where barn_id"])
      await until(`${rows} gone`, async () => (await countOf(edge.database, `${rows} = $1`, [movedBarn])) === 0);
    expect(await countOf(edge.database, "hayloft.eviction where table_name = 'barn_mortality_event'")).toBeGreaterThan(0);
    await hub.database.query("update barns set capacity = 4711 where tenant_id = $1 and id = $2", [tenant, barn.plan.barn]);
    await until("later changes of the hub", async () => (await countOf(edge.database, "barns where capacity = 4711")) === 1);
    for (const database of [hub.database, edge.database, south.database])
      expect(await countOf(database, "hayloft.quarantine")).toBe(0);
    // The edge still works.
    const last = await addMortality(edge.daemon.replica, null);
    await until("the next record", async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [last])) === 1);
    await south.end();
  });

  it("F-D6 D8 a node whose grant changes while it is connected is filled and purged without anybody's help", async () => {
    const [first, second] = [newId(), newId()];
    for (const [id, name] of [
      [first, "Grant one"],
      [second, "Grant two"],
    ] as const)
      await createBarn(hub.database, { tenant, farm, id, name });
    const node = await TestEdge.start(hub, { tenant, barns: [first] });
    expect(await node.database.query("select id from barns")).toMatchObject({ rows: [{ id: first }] });
    await grantNode(hub.database, node.node, { farms: [], barns: [first, second] });
    await until("the second barn", async () => (await countOf(node.database, "barns")) === 2);
    await node.daemon.replica.write(async (db) => {
      const event = { tenant_id: tenant, farm_id: farm, occurred_at: new Date(), animal_count: 1 };
      await db
        .insertInto("barn_mortality_event")
        .values([
          { ...event, id: newId(), barn_id: first },
          { ...event, id: newId(), barn_id: second },
        ])
        .execute();
    });
    await node.drained();
    await grantNode(hub.database, node.node, { farms: [], barns: [second] });
    await until("the first barn gone", async () => (await countOf(node.database, "barns where id = $1", [first])) === 0);
    await until("its records gone", async () => (await countOf(node.database, "barn_mortality_event")) === 1);
    expect(await countOf(hub.database, "barn_mortality_event where barn_id in ($1, $2)", [first, second])).toBe(2);
    expect(await countOf(node.database, "hayloft.eviction where table_name = 'barn_mortality_event'")).toBeGreaterThan(0);
    await expect(grantNode(hub.database, node.node, { farms: ["f-nowhere"], barns: [] })).rejects.toMatchObject({
      code: "not-found",
    });
    await node.end();
  });
});

describe("a daemon that is older than its database", () => {
  it("S11.4 does not start, says which migration it does not know, and changes nothing", async () => {
    await edge.database.query(
      "insert into hayloft.migration (name, hash) select '9999_future', hash from hayloft.migration limit 1",
    );
    await edge.stop();
    await expect(edge.start()).rejects.toMatchObject({ code: "database-newer" });
    await expect(edge.start()).rejects.toMatchObject({
      code: "database-newer",
      details: { applied: expect.stringContaining("9999_future") as string },
    });
    const database = await openPgliteDatabase({ dataDir: join(edge.dataDir, "database") });
    await database.query("delete from hayloft.migration where name = '9999_future'");
    await database.close();
    await edge.start();
    const id = await addMortality(edge.daemon.replica, null);
    await until(
      "its work arrives again",
      async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [id])) === 1,
    );
  });
});
