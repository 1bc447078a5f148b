import { afterAll, beforeAll, expect, it } from "vitest";
import { BarnFixture } from "../testing/barn-fixture.ts";
import { seededRandom, shuffled } from "../testing/permutations.ts";

let barn: BarnFixture;
beforeAll(async () => {
  barn = await BarnFixture.open();
});
afterAll(() => barn.close());

const SECOND_MS = 1000;

const seen = async (device: string): Promise<unknown> =>
  (await barn.rows("select last_seen_at, status, firmware_version from device_last_seen where device_id = $1", [device]))[0];

const commits = async (): Promise<number> =>
  (await barn.rows<{ n: number }>("select count(*)::int as n from hayloft.change where table_name = 'device_last_seen'"))[0]?.n ??
  -1;

it("S5.21 T-C19 P-C19 shuffled statuses end in the newest, and an old one changes nothing", async () => {
  const device = barn.sensor;
  const startMs = barn.clock.nowMs() - 3_600_000;
  const statuses = Array.from({ length: 12 }, (_, index) =>
    barn.status({
      atMs: startMs + index * 30 * SECOND_MS,
      payload: { firmware_version: `1.${index}`, status: index % 3 === 0 ? "offline" : "online" },
    }),
  );
  for (const status of shuffled(statuses, seededRandom(7))) await barn.take(status);
  const newest = { last_seen_at: new Date(startMs + 11 * 30 * SECOND_MS), status: "online", firmware_version: "1.11" };
  expect(await seen(device)).toEqual(newest);
  const yearAgo = barn.status({ atMs: barn.clock.nowMs() - 365 * 86_400_000, payload: { status: "offline" } });
  expect(await barn.take(yearAgo)).toEqual([true]);
  expect(await seen(device)).toEqual(newest);
});

it("S5.21 any message counts as seen, written at most once a minute per device", async () => {
  const device = barn.otherBarn.sensor_device_ids[0] ?? "";
  await barn.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query("update device_allowlist set farm_id = null, barn_id = null where device_id = $1", [device]);
  });
  const before = await commits();
  for (let second = 0; second < 180; second++) {
    barn.clock.advance(SECOND_MS);
    await barn.take(barn.telemetry("temperature", second, { device }));
  }
  expect((await commits()) - before).toBe(3);
});

it("a last will sets the device offline without moving its time, and the next message brings it back", async () => {
  const device = barn.barn.sensor_device_ids[1] ?? "";
  const connectedMs = barn.clock.nowMs();
  const will = { ...barn.status({ device, atMs: connectedMs, payload: { status: "offline" } }), lastWill: true };
  barn.clock.advance(90 * SECOND_MS);
  await barn.take(barn.telemetry("temperature", 20, { device }));
  const lastSeen = { last_seen_at: new Date(barn.clock.nowMs()), firmware_version: null };
  expect(await seen(device)).toEqual({ ...lastSeen, status: "online" });
  await barn.take(will);
  expect(await seen(device)).toEqual({ ...lastSeen, status: "offline" });
  barn.clock.advance(SECOND_MS);
  await barn.take(barn.telemetry("temperature", 20, { device }));
  expect(await seen(device)).toMatchObject({ status: "online" });
});

it("a device whose clock runs ahead is seen now, not in the future", async () => {
  const device = barn.barn.sensor_device_ids[2] ?? "";
  await barn.take(barn.telemetry("temperature", 20, { device, atMs: barn.clock.nowMs() + 1_800_000 }));
  expect(await seen(device)).toMatchObject({ last_seen_at: new Date(barn.clock.nowMs()) });
});

it("S5.21 a status of the same instant as a message that came before it is not lost", async () => {
  const device = barn.barn.sensor_device_ids[2] ?? "";
  barn.clock.advance(90 * SECOND_MS);
  const atMs = barn.clock.nowMs();
  await barn.take(barn.telemetry("temperature", 20, { device, atMs }));
  await barn.take(barn.status({ device, atMs, payload: { status: "online", firmware_version: "4.2" } }));
  await barn.take(barn.telemetry("temperature", 21, { device, atMs }));
  expect(await seen(device)).toEqual({ last_seen_at: new Date(atMs), status: "online", firmware_version: "4.2" });
});
