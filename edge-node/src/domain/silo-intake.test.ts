import { afterAll, beforeAll, expect, it } from "vitest";
import { newId } from "@hayloft/engine";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import { BarnFixture } from "../testing/barn-fixture.ts";
import { seededRandom, shuffled } from "../testing/permutations.ts";

let barn: BarnFixture;
beforeAll(async () => {
  barn = await BarnFixture.open();
});
afterAll(() => barn.close());

const MINUTE_MS = 60_000;

/** A silo that empties with noise, and is refilled twice. */
function siloSeries(count: number, random: () => number): readonly number[] {
  const weights = [900];
  for (let index = 1; index < count; index++) {
    const last = weights[index - 1] ?? 0;
    const step = index % 11 === 0 ? 400 : random() < 0.3 ? (random() - 0.5) * 0.18 : -random() * 8;
    weights.push(Math.round((last + step) * 1000) / 1000);
  }
  return weights;
}

/** Feed taken between neighbours, computed by hand. */
function expectedIntake(weights: readonly number[]): readonly string[] {
  return weights.flatMap((weight, index) => {
    const drop = Math.round(((weights[index - 1] ?? weight) - weight) * 1000) / 1000;
    return index > 0 && drop >= 0.1 ? [`${index} ${drop.toFixed(3)}`] : [];
  });
}

async function countedIntake(device: string, startMs: number): Promise<readonly string[]> {
  const rows = await barn.rows<{ occurred_at: Date; quantity_kg: string }>(
    "select occurred_at, quantity_kg from feed_intake_record where device_id = $1 and voided_at is null order by occurred_at",
    [device],
  );
  return rows.map((row) => `${(row.occurred_at.getTime() - startMs) / MINUTE_MS} ${row.quantity_kg}`);
}

it.each([1, 2, 3])("T-C17 P-C17 a silo's readings, shuffled and doubled, end in the same feed intake (seed %i)", async (seed) => {
  const random = seededRandom(seed);
  const device = `silo-${seed}`;
  await allow(device);
  const startMs = barn.clock.nowMs() - 3 * 3_600_000;
  const weights = siloSeries(40, random);
  const messages = weights.map((weight, index) =>
    barn.telemetry("silo.weight", weight, { device, atMs: startMs + index * MINUTE_MS }),
  );
  const sent = shuffled([...messages, ...messages.slice(0, 20)], random);
  for (const group of groupsOf(sent, random)) await barn.take(...group);
  expect(await countedIntake(device, startMs)).toEqual(expectedIntake(weights));
});

it("P-C17 two readings of the same instant are one place in the series, whichever comes first", async () => {
  const startMs = barn.clock.nowMs() - 3_600_000;
  const read = (device: string): readonly MqttMessage[] =>
    [
      ["a", 100, 0],
      ["b", 90, 1],
      ["c", 80, 1],
      ["d", 70, 2],
    ].map(([name, weight, minute]) =>
      barn.telemetry("silo.weight", Number(weight), {
        device,
        eventId: `${device}-${name}`,
        atMs: startMs + Number(minute) * MINUTE_MS,
      }),
    );
  for (const device of ["same-1", "same-2"]) await allow(device);
  for (const message of read("same-1")) await barn.take(message);
  for (const message of read("same-2").toReversed()) await barn.take(message);
  const intake = await countedIntake("same-1", startMs);
  expect(intake).toEqual(["1 10.000", "1 10.000", "2 10.000"]);
  expect(await countedIntake("same-2", startMs)).toEqual(intake);
});

it("a dispenser's feed is stored once, with its source, and needs a quantity", async () => {
  const device = barn.barn.feeder_device_id;
  const dispensed = (quantity: number, eventId = newId()): MqttMessage =>
    barn.message(
      { kind: "event", device_id: device, event_type: "feed.dispensed" },
      { eventId, payload: { quantity_kg: quantity } },
    );
  const eventId = newId();
  expect(await barn.take(dispensed(12.5, eventId), dispensed(12.5, eventId))).toEqual([true, true]);
  const rows = await barn.rows("select source, quantity_kg, batch_id from feed_intake_record where device_id = $1", [device]);
  expect(rows).toEqual([{ source: "MQTT_DISPENSED", quantity_kg: "12.500", batch_id: barn.barn.batch_id }]);
});

async function allow(device: string): Promise<void> {
  await barn.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query("insert into device_allowlist (tenant_id, device_id) values ($1, $2)", [barn.tenant, device]);
  });
}

function groupsOf(messages: readonly MqttMessage[], random: () => number): readonly (readonly MqttMessage[])[] {
  const groups: MqttMessage[][] = [[]];
  for (const message of messages) {
    if (random() < 0.4) groups.push([]);
    groups.at(-1)?.push(message);
  }
  return groups;
}
