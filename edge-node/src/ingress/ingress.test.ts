import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import { BarnFixture } from "../testing/barn-fixture.ts";

const HOUR_MS = 3_600_000;

let barn: BarnFixture;
beforeAll(async () => {
  barn = await BarnFixture.open();
});
afterAll(() => barn.close());

const count = async (sql: string, parameters: readonly (string | number)[] = []): Promise<number> =>
  (await barn.rows<{ n: number }>(`select count(*)::int as n from ${sql}`, parameters))[0]?.n ?? -1;

describe("readings", () => {
  it("S5.11 stores a reading with the batch that was in the barn, also when it comes late", async () => {
    const late = barn.telemetry("temperature", 21.5, { atMs: barn.clock.nowMs() - 90 * HOUR_MS });
    await barn.take(barn.telemetry("temperature", 25.1234), late);
    const rows = await barn.rows(
      "select value, batch_id, barn_id from telemetry_raw where metric = 'temperature' order by occurred_at",
    );
    expect(rows).toEqual([
      { value: "21.5000", batch_id: barn.barn.batch_id, barn_id: barn.barn.barn_id },
      { value: "25.1234", batch_id: barn.barn.batch_id, barn_id: barn.barn.barn_id },
    ]);
  });

  it("P-C1 a stored reading has its change in the log, in the same commit", async () => {
    const eventId = newId();
    await barn.take(barn.telemetry("humidity", 60, { eventId }));
    const bodies = await barn.rows<{ body: string }>("select body from hayloft.change where table_name = 'telemetry_raw'");
    expect(bodies.filter((row) => row.body.includes(eventId))).toHaveLength(1);
  });

  it("S7.5 stores an event once, also when it comes again with another time, in the same group and later", async () => {
    const eventId = newId();
    // Two days earlier is another month, so another partition with its own unique index.
    const again = barn.telemetry("co2", 2, { eventId, atMs: barn.clock.nowMs() - 48 * HOUR_MS });
    await barn.take(barn.telemetry("co2", 1, { eventId }), again);
    await barn.take(again);
    expect(await barn.rows("select value from telemetry_raw where event_id = $1", [eventId])).toEqual([{ value: "1.0000" }]);
  });

  it("S9.5 an event that comes again after its claim has expired is still stored once", async () => {
    const eventId = newId();
    const message = barn.telemetry("nh3", 9, { eventId });
    const moved = barn.telemetry("nh3", 9, { eventId, atMs: barn.clock.nowMs() + 1000 });
    await barn.take(message);
    barn.clock.advance(72 * HOUR_MS - 1000);
    await barn.take(message);
    expect(await count("telemetry_raw where event_id = $1", [eventId])).toBe(1);
    barn.clock.advance(2000);
    expect(await barn.take(message, moved)).toEqual([true, true]);
    expect(await count("telemetry_raw where event_id = $1", [eventId])).toBe(1);
  });
});

describe("refusals", () => {
  it("S8.4 takes what is 95 h old or 59 min ahead, and refuses beyond the limits with the reason", async () => {
    const nowMs = barn.clock.nowMs();
    const before = await count("telemetry_raw where metric = 'window'");
    const ages = [95 * HOUR_MS, -59 * 60_000, 97 * HOUR_MS, -61 * 60_000, 2 * 365 * 24 * HOUR_MS];
    const taken = await barn.take(...ages.map((ageMs) => barn.telemetry("window", 1, { atMs: nowMs - ageMs })));
    expect(taken).toEqual([true, true, false, false, false]);
    expect(await count("telemetry_raw where metric = 'window'")).toBe(before + 2);
    expect(await barn.rows("select reason from ingress_refused order by reason")).toEqual([
      { reason: "clock-ahead" },
      { reason: "too-old" },
      { reason: "too-old" },
    ]);
  });

  it("S5.19 P-C19 checks station and device, place, switch and site block; deny wins", async () => {
    const stranger = barn.telemetry("temperature", 1, { device: newId() });
    const wrongDevice = barn.weigh("s-allow", "weight.recorded", { device: newId(), payload: { weight_kg: 1 } });
    const otherBarnsDevice = barn.weigh("s-allow", "weight.recorded", {
      device: barn.otherBarn.weigh_device_id,
      payload: { weight_kg: 1 },
    });
    await barn.database.query("delete from ingress_refused");
    expect(await barn.take(stranger, wrongDevice, otherBarnsDevice)).toEqual([false, false, false]);
    expect(await barn.refusals()).toEqual(["not-allowed", "not-allowed", "wrong-place"]);
    await barn.database.query("insert into site_block_list (tenant_id, kind, subject_id) values ($1, 'station', $2)", [
      barn.tenant,
      barn.barn.station_id,
    ]);
    expect(await barn.take(barn.weigh("s-allow", "session.created"))).toEqual([false]);
    await barn.database.query("delete from site_block_list");
    expect(await barn.take(barn.weigh("s-allow", "session.created"))).toEqual([true]);
    expect(await barn.refusals()).toContain("blocked-on-site");
  });

  it.each([
    ["a topic of another shape", { topic: "iot/feed/t/f/b/d/x" }, "topic-invalid"],
    ["an empty topic segment", { topic: "iot/telemetry//f/b/d/x" }, "topic-invalid"],
    ["no JSON", { payload: "{" }, "envelope-invalid"],
    ["JSON that is no object", { payload: "[1]" }, "envelope-invalid"],
    ["no event id", { without: "event_id" }, "envelope-invalid"],
    ["a null character in the id", { with: { event_id: "a\u0000b" } }, "envelope-invalid"],
    ["an id of 1 KiB", { with: { event_id: "x".repeat(1024) } }, "envelope-invalid"],
    ["a schema version that is not ours", { with: { schema_version: "2.0" } }, "schema-version"],
    ["a tenant that is not the topic's", { with: { tenant_id: "other" } }, "tenant-mismatch"],
    ["a device that is not the topic's", { with: { device_id: "other" } }, "device-mismatch"],
    ["an event type that is not the topic's", { with: { event_type: "sensor.heartbeat" } }, "event-type-mismatch"],
    ["a reading without a number", { with: { payload: { value: "warm" } } }, "payload-invalid"],
    ["a reading that no column holds", { with: { payload: { value: 1e300 } } }, "payload-invalid"],
    ["more bytes than allowed", { with: { payload: { value: 1, text: "x".repeat(70_000) } } }, "message-too-large"],
  ] as const)("S3.4 refuses %s", async (_name, change, reason) => {
    await barn.database.query("delete from ingress_refused");
    const before = await count("ingress_dedupe");
    expect(await barn.take(malformed(change))).toEqual([false]);
    const [row] = await barn.rows<{ reason: string; detail: string }>("select reason, detail from ingress_refused");
    expect(row?.reason).toBe(reason);
    expect(await count("ingress_dedupe")).toBe(before);
  });

  it("S3.4 takes any text as an id: unicode, spaces, 128 characters", async () => {
    const ids = ["ไก่-1", "id with spaces", "x".repeat(128), "'; drop table barns; --"];
    expect(await barn.take(...ids.map((eventId) => barn.telemetry("ids", 1, { eventId })))).toEqual([true, true, true, true]);
    expect(await count("telemetry_raw where metric = 'ids'")).toBe(4);
  });

  it("S6.1 while the first snapshot comes in, what it may still bring is neither refused nor acknowledged", async () => {
    await barn.database.query("delete from ingress_refused");
    await barn.database.query(
      "insert into hayloft.peer (node_id, tenant_id, relation, snapshot_cursor) values ($1, $2, 'parent', '{}')",
      [newId(), barn.tenant],
    );
    const unknown = barn.telemetry("early", 1, { device: "comes-with-a-later-page" });
    await expect(barn.take(unknown)).rejects.toMatchObject({ code: "unavailable" });
    expect(await barn.take(barn.telemetry("early", 2))).toEqual([true]);
    expect(await barn.refusals()).toEqual([]);
    // A later snapshot of a node that was filled once does not hold up the barn.
    await barn.database.query("update hayloft.peer set received_position = 1");
    expect(await barn.take(unknown)).toEqual([false]);
    expect(await barn.refusals()).toEqual(["not-allowed"]);
    await barn.database.query("delete from hayloft.peer");
  });

  it("P-C13 a message that the database does not take is refused alone", async () => {
    await barn.database.query("delete from ingress_refused");
    const good = Array.from({ length: 9 }, (_, index) => barn.telemetry("poison", index));
    await barn.database.script("alter table session_weights add constraint test_poison check (weight_kg <> 66.6)");
    const poison = barn.weigh("s-poison", "weight.recorded", { payload: { weight_kg: 66.6 } });
    const taken = await barn.take(...good.slice(0, 4), poison, ...good.slice(4));
    expect(taken).toEqual([true, true, true, true, false, true, true, true, true, true]);
    expect(await count("telemetry_raw where metric = 'poison'")).toBe(9);
    expect(await barn.refusals()).toEqual(["rejected-by-store"]);
    await barn.database.script("alter table session_weights drop constraint test_poison");
  });
});

/** A valid message with one thing wrong. */
function malformed(change: {
  readonly topic?: string;
  readonly payload?: string;
  readonly without?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}): MqttMessage {
  const valid = barn.telemetry("temperature", 20);
  const body = { ...(JSON.parse(Buffer.from(valid.payload).toString()) as Record<string, unknown>), ...change.with };
  if (change.without !== undefined) delete body[change.without];
  return { topic: change.topic ?? valid.topic, payload: Buffer.from(change.payload ?? JSON.stringify(body)), lastWill: false };
}
