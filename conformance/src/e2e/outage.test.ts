import { restoreNode, revokeNode } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import type { Clock } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const HOUR_MS = 3_600_000;
const plan = planFarm("t-out", "f-out", 1);
const { tenant, farm } = plan;
const voice = new BarnVoice(plan);
const place = { tenant_id: tenant, farm_id: farm, barn_id: voice.plan.barn };

/** Runs with the real clock, and can be moved ahead of it: a week passes in seconds on every tier. */
class LeapingClock implements Clock {
  #aheadMs = 0;

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  leap(ms: number): void {
    this.#aheadMs += ms;
  }
}

const clock = new LeapingClock();
let hub: TestHub;
let edge: TestEdge;

beforeAll(async () => {
  hub = await TestHub.start({}, { clock });
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant, ports: { clock, log: { write: () => undefined } } });
});
afterAll(async () => {
  await edge.end();
  await hub.end();
});

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${edge.daemon.httpUrl}/metrics`)).text();
  const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`there is no metric ${name}`);
  return Number(found);
};

const ready = async (url: string): Promise<number> => (await fetch(`${url}/api/ready`)).status;

describe("an outage", () => {
  it("S14.4 S14.5 P-C7 backlog, age and connection show a cut link while the edge stays ready, and fall back after it", async () => {
    await edge.drained();
    expect([await metric("sync_unacked_changes"), await metric("sync_connected")]).toEqual([0, 1]);
    edge.wire.hold();
    const device = await connectDevice(edge.daemon.mqttUrl, "gauges");
    await publish(device, ...Array.from({ length: 20 }, (_, index) => voice.reading(index)));
    await device.endAsync();
    await until("the link is seen as down", async () => (await metric("sync_connected")) === 0);
    expect(await metric("sync_unacked_changes")).toBeGreaterThan(0);
    const early = await metric("sync_oldest_unacked_age_seconds");
    await until("the age grows", async () => (await metric("sync_oldest_unacked_age_seconds")) > early + 0.5);
    expect([await ready(edge.daemon.httpUrl), await ready(hub.url)]).toEqual([200, 200]);
    edge.wire.open();
    await edge.drained();
    expect([await metric("sync_unacked_changes"), await metric("sync_oldest_unacked_age_seconds")]).toEqual([0, 0]);
    await until("the link is seen as up", async () => (await metric("sync_connected")) === 1);
    expect(await metric("sync_quarantined_changes")).toBe(0);
  });

  it("T-C7 P-C7 S5.27 F-G4 P-E1 seven days without a hub and a day of refused logins leave nothing in quarantine and lose no row", async () => {
    const before = await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant]);
    const device = await connectDevice(edge.daemon.mqttUrl, "week");
    const sent: string[] = [];
    const hourly = async (hours: number): Promise<void> => {
      for (let hour = 0; hour < hours; hour += 6) {
        clock.leap(6 * HOUR_MS);
        const messages = [1, 2, 3].map((value) => voice.reading(value, { atMs: clock.nowMs() }));
        await publish(device, ...messages);
        sent.push(...messages.map(({ eventId }) => eventId));
        await edge.daemon.runJobs();
      }
    };
    edge.wire.cut();
    await hourly(7 * 24);
    // Back on the network, but the hub does not let it in.
    await revokeNode(hub.database, edge.node);
    edge.wire.open();
    await until(
      "a refused login",
      async () => (await edge.daemon.replica.status()).peers[0]?.lastError?.code === "auth-failed",
      120_000,
    );
    await hourly(24);
    expect((await edge.daemon.replica.status()).quarantined).toBe(0);
    expect(await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant])).toBe(before);
    await restoreNode(hub.database, edge.node);
    // A restart takes the place of waiting for the next attempt, which may be a minute away.
    await device.endAsync();
    await edge.stop();
    await edge.start();
    await edge.drained(120_000);
    expect(sent).toHaveLength(96);
    expect(
      await countOf(hub.database, "telemetry_raw where tenant_id = $1 and event_id = any(string_to_array($2, ','))", [
        tenant,
        sent.join(","),
      ]),
    ).toBe(sent.length);
    for (const database of [hub.database, edge.database]) expect(await countOf(database, "hayloft.quarantine")).toBe(0);
    await becomeEqual(edge.database, hub.database, tenant, sharedTables("cloud", "edge"));
  });

  it("T-C8 P-C8 F-D2 a backlog of 50,000 rows drains while new rows arrive, as fast at its end as at its start", async () => {
    const BACKLOG = 50_000;
    const PER_COMMIT = 500;
    edge.wire.cut();
    await edge.database.query("select 1");
    for (let commit = 0; commit < BACKLOG / PER_COMMIT; commit += 1) {
      await edge.database.query(
        `insert into telemetry_raw (tenant_id, id, farm_id, barn_id, device_id, metric, value, occurred_at, event_id)
         select $1, ($2 || lpad(to_hex(n), 12, '0'))::uuid, $3, $4, 'd', 'backlog', n, now() - n * interval '1 second', $2 || n
         from generate_series(1, ${PER_COMMIT}) as n`,
        [tenant, newId().slice(0, 24), farm, voice.plan.barn],
      );
    }
    await edge.stop();
    await edge.start();
    const atHub = async (): Promise<number> =>
      await countOf(hub.database, "telemetry_raw where tenant_id = $1 and metric = 'backlog'", [tenant]);
    const samples: { readonly rows: number; readonly atMs: number }[] = [];
    edge.wire.open();
    let extra = 0;
    await until(
      "the backlog is at the hub",
      async () => {
        // New rows, one of a higher lane among them, come in all the time.
        await edge.daemon.replica.write(async (db) => {
          await db
            .insertInto("barn_mortality_event")
            .values({ ...place, id: newId(), occurred_at: new Date(), animal_count: 1 })
            .execute();
        });
        extra += 1;
        const rows = await atHub();
        if (rows > 0 && rows !== samples.at(-1)?.rows) samples.push({ rows, atMs: performance.now() });
        return rows === BACKLOG;
      },
      180_000,
    );
    await edge.drained();
    expect(await countOf(hub.database, "barn_mortality_event where tenant_id = $1", [tenant])).toBe(extra);
    const rate = (from: number, to: number): number => {
      const [first, last] = [samples.find(({ rows }) => rows >= from), samples.find(({ rows }) => rows >= to)];
      if (first === undefined || last === undefined) throw new Error("the drain was not seen");
      return (last.rows - first.rows) / Math.max(1, last.atMs - first.atMs);
    };
    // A rate that falls with what is already there ends at a fraction; a busy machine does not make a third of it.
    expect(rate(BACKLOG * 0.6, BACKLOG)).toBeGreaterThan(rate(0, BACKLOG * 0.4) / 3);
    for (const database of [hub.database, edge.database]) expect(await countOf(database, "hayloft.quarantine")).toBe(0);
  });
});
