import { join } from "node:path";
import { planFarm } from "@hayloft/device-simulator";
import { newId } from "@hayloft/engine";
import { loadIdentity } from "@hayloft/engine/node";
import { weightSessionId } from "@hayloft/schema";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { FrameProxy } from "./frame-proxy.ts";
import { RawNode } from "./raw-node.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";
import type { Mangle } from "./wire-proxy.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-wire", "f-wire", 1);
const { tenant, farm } = plan;
const voice = new BarnVoice(plan);
const place = { tenant_id: tenant, farm_id: farm, barn_id: voice.plan.barn };

let hub: TestHub;
let edge: TestEdge;
let frames: FrameProxy;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant });
  frames = await FrameProxy.listen(hub.url);
});
afterEach(() => {
  edge.wire.mangle(null);
  frames.rework(null);
});
afterAll(async () => {
  await edge.end();
  await frames.close();
  await hub.end();
});

/** A new daemon, which begins with the shortest delay between its attempts; after many faults the old one waits for long. */
async function dialAnew(): Promise<void> {
  await edge.stop();
  await edge.start();
  await edge.filled();
}

/** A few commits at the edge, and one at the hub, so that both streams have something to carry. */
async function writeSome(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await edge.daemon.replica.write(async (db) => {
      await db
        .insertInto("barn_mortality_event")
        .values({ ...place, id: newId(), occurred_at: new Date(), animal_count: index, notes: "x".repeat(200) })
        .execute();
    });
  }
  await hub.database.query("update barns set capacity = coalesce(capacity, 0) + 1 where tenant_id = $1", [tenant]);
}

/** Nothing is lost, doubled, changed or refused, whatever the wire did. */
async function expectWhole(): Promise<void> {
  await edge.drained(120_000);
  await becomeEqual(edge.database, hub.database, tenant, sharedTables("cloud", "edge"));
  for (const database of [hub.database, edge.database]) expect(await countOf(database, "hayloft.quarantine")).toBe(0);
  const { rows } = await hub.database.query<{ seq: number; head: number }>(
    `select o.seq, (select seq from hayloft.origin as own where own.tenant_id = $1 and own.incarnation = o.incarnation) as head
     from hayloft.origin o where o.tenant_id = $1 and o.node_id = $2::uuid`,
    [tenant, edge.node],
  );
  const own = await edge.database.query<{ seq: number }>("select seq from hayloft.head where tenant_id = $1", [tenant]);
  expect(rows.map(({ seq }) => seq)).toEqual([own.rows[0]?.seq]);
}

describe("a wire that damages what it carries", () => {
  it.each<readonly [string, number, () => Mangle]>([
    [
      "F-B12 P-C10 flips bits",
      3,
      () => (bytes) => {
        const copy = Buffer.from(bytes);
        const at = Math.floor(copy.length / 2);
        copy[at] = (copy[at] ?? 0) ^ 0x10;
        return copy;
      },
    ],
    ["F-B3 P-C10 drops bytes", 2, () => (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2))],
    ["F-B1 P-C10 doubles bytes", 2, () => (bytes) => Buffer.concat([bytes, bytes])],
    [
      "F-B2 P-C10 swaps pieces",
      2,
      () => {
        let kept: Buffer | null = null;
        return (bytes) => {
          const passed: Buffer = kept === null ? Buffer.alloc(0) : Buffer.concat([bytes, kept]);
          kept = kept === null ? bytes : null;
          return passed;
        };
      },
    ],
    ["F-B4 P-C10 breaks in the middle of a frame", 3, () => () => null],
  ])("%s: both ends hold equal rows, and nothing is refused", async (_what, faults, make) => {
    await dialAnew();
    for (let fault = 0; fault < faults; fault += 1) {
      let hits = 0;
      const damage = make();
      edge.wire.mangle((bytes, direction) => {
        // Bulk frames of the session, not its pings; every fault hits one or two pieces.
        if (hits > 1 || bytes.length < 100) return bytes;
        hits += 1;
        return damage(bytes, direction);
      });
      await writeSome(5);
      await until("a fault has struck", () => hits > 0);
      edge.wire.mangle(null);
      // What was damaged must not stay half read for the length of a ping.
      edge.wire.breakAll();
    }
    await writeSome(1);
    await expectWhole();
  });

  it("S6.4 F-B1 each bulk frame and each acknowledgement twice, both ways: one effect", async () => {
    frames.rework((type, bytes) => (type === "commits" || type === "part" || type === "ack" ? [bytes, bytes] : [bytes]));
    edge.wire.aim(frames.url);
    await dialAnew();
    await writeSome(30);
    await expectWhole();
  });

  it("F-B2 F-B3 P-C10 bulk frames lost and swapped: whatever is missing comes again, in order, once", async () => {
    let seen = 0;
    let kept: Buffer | null = null;
    edge.wire.aim(frames.url);
    await dialAnew();
    frames.rework((type, bytes) => {
      if (type !== "commits") return [bytes];
      seen += 1;
      if (seen % 5 === 2) return [];
      if (seen % 5 === 4 && kept === null) {
        kept = bytes;
        return [];
      }
      const passed = kept === null ? [bytes] : [bytes, kept];
      kept = null;
      return passed;
    });
    // A lost frame is noticed by the next one, so that there must always be a next one.
    await until("frames were lost and swapped", async () => {
      await writeSome(2);
      return seen > 25;
    });
    frames.rework(null);
    // A receiver that asked for a restart waits for it; when that, too, was lost, the next session mends it.
    edge.wire.breakAll();
    await writeSome(1);
    await expectWhole();
  });

  it("F-B14 a second session of the same node ends the first, which comes back; rows still arrive once", async () => {
    edge.wire.aim(hub.url);
    await dialAnew();
    await until("the session", () => hub.hub.replica.children().length === 1);
    const twin = new RawNode(hub.hub.syncUrl);
    expect(await twin.handshake(loadIdentity(join(edge.dataDir, "identity.json")))).not.toBeNull();
    await writeSome(3);
    await expectWhole();
    await until("one session is left", () => twin.closeCode !== null);
    twin.close();
  });
});

describe("a reader at the hub while commits are applied", () => {
  it("S10.6 never sees half a weigh session", async () => {
    edge.wire.hold();
    const SESSIONS = 150;
    for (let index = 0; index < SESSIONS; index += 1) {
      const session = `atomic-${index}`;
      const station = voice.plan.stations[0]?.station ?? "";
      const weight_session_id = weightSessionId(tenant, station, session);
      const times = { occurred_at: new Date(), weight_kg: "1.500" };
      await edge.daemon.replica.write(async (db) => {
        await db
          .insertInto("weight_sessions")
          .values({ ...place, session_id: session, station_id: station, device_id: "scale", start_at: new Date() })
          .execute();
        for (let weight = 0; weight < 3; weight += 1) {
          await db
            .insertInto("session_weights")
            .values({ ...place, ...times, id: newId(), event_id: newId(), weight_session_id, session_id: session })
            .execute();
        }
      });
    }
    edge.wire.open();
    const seen = new Set<number>();
    await until("all sessions", async () => {
      const found = await hub.database.transaction(async (tx) => {
        await tx.query("set transaction isolation level repeatable read");
        const sessions = await tx.query<{ n: number }>(
          "select count(*)::int as n from weight_sessions where session_id like 'atomic-%'",
        );
        const weights = await tx.query<{ n: number }>(
          "select count(*)::int as n from session_weights where session_id like 'atomic-%'",
        );
        return { sessions: sessions.rows[0]?.n ?? 0, weights: weights.rows[0]?.n ?? 0 };
      });
      expect(found.weights).toBe(found.sessions * 3);
      seen.add(found.sessions);
      return found.sessions === SESSIONS;
    });
    expect(seen.size).toBeGreaterThan(1);
  });
});

describe("duplicates from devices", () => {
  it("S6.4 S7.5 the same event twice, also with another time and over a restart, is one row at edge and hub", async () => {
    const first = voice.reading(20, { eventId: newId() });
    const again = voice.reading(20, { eventId: first.eventId, atMs: Date.now() - 2 * 86_400_000 });
    const device = await connectDevice(edge.daemon.mqttUrl, "doubling");
    await publish(device, first, first, again);
    await device.endAsync();
    await edge.stop();
    await edge.start();
    const later = await connectDevice(edge.daemon.mqttUrl, "doubling-later");
    await publish(later, first, again);
    await later.endAsync();
    await edge.filled();
    await edge.drained();
    for (const database of [edge.database, hub.database]) {
      expect(await countOf(database, "telemetry_raw where event_id = $1", [first.eventId])).toBe(1);
    }
  });
});
