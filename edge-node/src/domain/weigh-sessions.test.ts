import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { MqttMessage } from "../broker/mqtt-message.ts";
import { INCOMPLETE_AFTER_MS } from "../jobs/edge-jobs.ts";
import { BarnFixture, messageOf } from "../testing/barn-fixture.ts";
import { permutations } from "../testing/permutations.ts";
import { bindArrivedMedia, markIncompleteSessions } from "./session-figures.ts";

let barn: BarnFixture;
beforeAll(async () => {
  barn = await BarnFixture.open();
});
afterAll(() => barn.close());

const SESSION_COLUMNS = `status, batch_id, start_at, end_at, initial_weight_kg, final_weight_kg, image_count, announced_image_count,
  device_id, barn_id, farm_id`;

/** The five messages of a whole session, in the order in which they happen. */
function wholeSession(session: string, image = newId()): readonly MqttMessage[] {
  const startMs = barn.clock.nowMs();
  return [
    barn.weigh(session, "session.created", { atMs: startMs, payload: { batch_id: barn.barn.batch_id } }),
    barn.weigh(session, "weight.recorded", { atMs: startMs + 1000, payload: { weight_kg: 1.91 } }),
    barn.weigh(session, "image.captured", { atMs: startMs + 2000, payload: { media_id: image } }),
    barn.weigh(session, "weight.recorded", { atMs: startMs + 3000, payload: { weight_kg: 1.94 } }),
    barn.weigh(session, "session.finalized", { atMs: startMs + 4000, payload: { image_count: 1 } }),
  ];
}

const sessionRow = async (session: string): Promise<unknown> =>
  (await barn.rows(`select ${SESSION_COLUMNS} from weight_sessions where session_id = $1`, [session]))[0];

it("S5.22 every order of a session's messages ends in the same row", async () => {
  const orders = permutations([0, 1, 2, 3, 4]);
  const sessions = orders.map((order, index) => ({ order, messages: wholeSession(`order-${index}`) }));
  // The sessions share five groups, one for each place in the order.
  for (const place of [0, 1, 2, 3, 4]) {
    await barn.take(...sessions.flatMap(({ order, messages }) => messages.slice(order[place], (order[place] ?? 0) + 1)));
  }
  const rows = await barn.rows(`select distinct ${SESSION_COLUMNS} from weight_sessions where session_id like 'order-%'`);
  expect(rows).toEqual([
    {
      status: "finalized",
      batch_id: barn.barn.batch_id,
      start_at: new Date(barn.clock.nowMs()),
      end_at: new Date(barn.clock.nowMs() + 4000),
      initial_weight_kg: "1.910",
      final_weight_kg: "1.940",
      image_count: 1,
      announced_image_count: 1,
      device_id: barn.barn.weigh_device_id,
      barn_id: barn.barn.barn_id,
      farm_id: barn.barn.farm_id,
    },
  ]);
});

it("S5.22 messages of many sessions in one group end in the same rows as one by one", async () => {
  const all = Array.from({ length: 20 }, (_, index) => wholeSession(`group-${index}`)).flat();
  await barn.take(...all.toReversed());
  const rows = await barn.rows(
    `select distinct ${SESSION_COLUMNS} from weight_sessions where session_id like 'group-%' or session_id = 'order-0'`,
  );
  expect(rows).toHaveLength(1);
});

it("T-C14 P-C14 a session that was finalized stays finalized when created comes after it", async () => {
  const [created, , , , finalized] = wholeSession("late-created");
  if (created === undefined || finalized === undefined) throw new Error("a session has five messages");
  await barn.take(finalized);
  await barn.take(created);
  await barn.take(barn.weigh("late-created", "session.created", { payload: { batch_id: null } }));
  expect(await sessionRow("late-created")).toMatchObject({ status: "finalized", batch_id: barn.barn.batch_id });
});

it("a cancelled session stays cancelled whatever the station says", async () => {
  await barn.take(barn.weigh("cancelled", "session.created"));
  await barn.database.query("update weight_sessions set status = 'cancelled' where session_id = 'cancelled'");
  await barn.take(barn.weigh("cancelled", "session.finalized", { payload: { image_count: 0 } }));
  expect(await sessionRow("cancelled")).toMatchObject({ status: "cancelled" });
});

it("T-C12 P-C12 S3.4 two stations with the same session text have two sessions", async () => {
  const other = messageOf(
    barn.otherBarn,
    {
      kind: "weighvision",
      station_id: barn.otherBarn.station_id,
      session_id: "20260212_093215",
      event_type: "weighvision.weight.recorded",
    },
    { device: barn.otherBarn.weigh_device_id, payload: { weight_kg: 2.5 } },
    barn.clock.nowMs(),
  );
  await barn.take(barn.weigh("20260212_093215", "weight.recorded", { payload: { weight_kg: 1.5 } }), other);
  const rows = await barn.rows(
    "select s.station_id, w.weight_kg from weight_sessions s join session_weights w on w.weight_session_id = s.id where s.session_id = $1 order by 2",
    ["20260212_093215"],
  );
  expect(rows).toEqual([
    { station_id: barn.barn.station_id, weight_kg: "1.500" },
    { station_id: barn.otherBarn.station_id, weight_kg: "2.500" },
  ]);
});

it("S5.23 a weight before its session is kept and attached, and a second delivery changes nothing", async () => {
  const weight = barn.weigh("weight-first", "weight.recorded", { payload: { weight_kg: 2 } });
  await barn.take(weight);
  await barn.take(weight);
  await barn.take(barn.weigh("weight-first", "session.created"));
  expect(await sessionRow("weight-first")).toMatchObject({
    status: "created",
    initial_weight_kg: "2.000",
    final_weight_kg: null,
  });
  const weights = await barn.rows("select weight_kg from session_weights where session_id = 'weight-first'");
  expect(weights).toHaveLength(1);
});

it("S5.24 an image before its session, after the end and twice is counted and bound once", async () => {
  const image = newId();
  const said = { payload: { media_id: image, image_role: "left" } };
  await barn.take(barn.weigh("images", "image.captured", said));
  await barn.take(barn.weigh("images", "session.finalized", { payload: { image_count: 2 } }));
  const late = barn.weigh("images", "image.captured", { payload: { media_id: "second" } });
  await barn.take(late, late, barn.weigh("images", "image.captured", said));
  expect(await sessionRow("images")).toMatchObject({ status: "finalized", image_count: 2 });
  await barn.database.query(
    `insert into media_objects (tenant_id, id, farm_id, barn_id, device_id, bucket, object_key, mime_type, size_bytes, sha256, captured_at)
     values ($1, $2, $3, $4, $5, 'images', 'k1', 'image/jpeg', 1, $6, now())`,
    [barn.tenant, image, barn.barn.farm_id, barn.barn.barn_id, barn.barn.weigh_device_id, "0".repeat(64)],
  );
  expect(await bindArrivedMedia(barn.database, barn.tenant, 10)).toBe(1);
  expect(await bindArrivedMedia(barn.database, barn.tenant, 10)).toBe(0);
  const bound = await barn.rows(
    "select media_object_id, is_bound from session_media_bindings where session_id = 'images' order by is_bound",
  );
  expect(bound).toEqual([
    { media_object_id: "second", is_bound: false },
    { media_object_id: image, is_bound: true },
  ]);
});

it("a session without an image for 10 minutes is incomplete, and finalized when its end still comes", async () => {
  await barn.take(
    barn.weigh("no-image", "session.created"),
    barn.weigh("with-image", "session.created"),
    barn.weigh("with-image", "image.captured", { payload: { media_id: newId() } }),
  );
  const mark = (): Promise<number> =>
    markIncompleteSessions(barn.database, barn.tenant, barn.clock.nowMs(), INCOMPLETE_AFTER_MS, 1000);
  barn.clock.advance(INCOMPLETE_AFTER_MS - 1);
  await mark();
  expect(await sessionRow("no-image")).toMatchObject({ status: "created" });
  barn.clock.advance(1);
  await mark();
  expect(await sessionRow("no-image")).toMatchObject({ status: "incomplete" });
  expect(await sessionRow("with-image")).toMatchObject({ status: "created" });
  await barn.take(barn.weigh("no-image", "session.finalized", { payload: { image_count: 0 } }));
  expect(await sessionRow("no-image")).toMatchObject({ status: "finalized" });
});

it("S5.26 an inference result is stored once per image and model version", async () => {
  const media = newId();
  const result = (model: string): MqttMessage =>
    barn.weigh("inferred", "inference.completed", {
      payload: { media_id: media, model_version: model, predicted_weight_kg: 1.87, confidence: 0.93 },
    });
  await barn.take(result("v1"), result("v1"), result("v2"));
  await barn.take(result("v1"));
  const rows = await barn.rows(
    "select model_version, predicted_weight_kg, confidence from inference_results where media_id = $1 order by 1",
    [media],
  );
  expect(rows).toEqual([
    { model_version: "v1", predicted_weight_kg: "1.870", confidence: "0.9300" },
    { model_version: "v2", predicted_weight_kg: "1.870", confidence: "0.9300" },
  ]);
});

it("a batch that is not known here does not stop the session: the batch in the barn counts", async () => {
  await barn.take(barn.weigh("unknown-batch", "session.created", { payload: { batch_id: "no-such-batch" } }));
  expect(await sessionRow("unknown-batch")).toMatchObject({ batch_id: barn.barn.batch_id });
});
