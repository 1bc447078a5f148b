import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EnvelopeContent } from "./envelope.ts";
import { buildEnvelope, envelopeLimits, parseEnvelope, timeRefusal } from "./envelope.ts";
import type { Topic } from "./topic.ts";
import { isOutsideId, parseTopic, topicFor } from "./topic.ts";

const place = { tenant_id: "t-001", farm_id: "f-001", barn_id: "b-001" };
const telemetry: Topic = { kind: "telemetry", ...place, device_id: "d-001", metric: "temperature" };
const weigh = (event_type: string): Topic => ({
  kind: "weighvision",
  ...place,
  station_id: "st-01",
  session_id: "20260212_093215",
  event_type,
});
const event = (event_type: string): Topic => ({ kind: "event", ...place, device_id: "d-001", event_type });

const body = (over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  schema_version: "1.0",
  event_id: "e-1",
  trace_id: "tr-1",
  tenant_id: "t-001",
  device_id: "d-001",
  event_type: "telemetry.reading",
  ts: "2026-02-12T09:32:15.123Z",
  payload: { value: 21.5, unit: "C" },
  ...over,
});
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const read = (over: Readonly<Record<string, unknown>> = {}, topic: Topic = telemetry) => parseEnvelope(topic, bytes(body(over)));

/** Reason and detail of a refusal, or `ok`. */
const reasonOf = (result: ReturnType<typeof parseEnvelope>): string => (result.ok ? "ok" : result.reason);
const content: EnvelopeContent = {
  event_id: "e-1",
  trace_id: "tr-1",
  ts: new Date("2026-02-12T09:32:15Z"),
  payload: { value: 1 },
};

describe("topics", () => {
  it("reads the four kinds and writes them back", () => {
    const samples: readonly Topic[] = [
      telemetry,
      event("feed.dispensed"),
      weigh("weighvision.session.created"),
      { kind: "status", ...place, device_id: "d-001" },
    ];
    for (const topic of samples) expect(parseTopic(topicFor(topic))).toEqual({ ok: true, topic });
  });

  it.each([
    "",
    "iot",
    "iot/telemetry/t/f/b/d",
    "iot/telemetry/t/f/b/d/m/more",
    "iot/telemetry/t/f/b//m",
    "iot/feed/t/f/b/d/m",
    "iot/weighvision/t/f/b/s/sessions/1/weighvision.session.created",
    "iot/weighvision/t/f/b/s/session/1",
    "other/telemetry/t/f/b/d/m",
    `iot/telemetry/t/f/b/${"x".repeat(129)}/m`,
    "iot/telemetry/t/f/b/d\u0000/m",
    "iot/telemetry/t/f/b/+/m",
  ])("P-C15 refuses the topic %j", (topic) => {
    expect(parseTopic(topic)).toMatchObject({ ok: false, reason: "topic-invalid" });
  });

  it("S3.4 any id without control characters, slash, plus and hash passes through a topic unchanged", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 128, unit: "grapheme" }), (device_id) => {
        fc.pre(isOutsideId(device_id));
        const topic: Topic = { kind: "telemetry", ...place, device_id, metric: "m" };
        expect(parseTopic(topicFor(topic))).toEqual({ ok: true, topic });
      }),
    );
  });

  it("S3.4 ids of the wrong shape cannot be written into a topic", () => {
    for (const device_id of ["", "x".repeat(1024), "a/b", "a+b", "a#b", "a\u0000", "a\nb", "\ud800"]) {
      expect(isOutsideId(device_id)).toBe(false);
      expect(() => topicFor({ kind: "status", ...place, device_id })).toThrow("config-invalid");
    }
    expect(isOutsideId("เครื่องชั่ง-๑")).toBe(true);
  });
});

describe("envelopes", () => {
  it("reads a telemetry message", () => {
    expect(read()).toEqual({
      ok: true,
      warnings: [],
      message: {
        schema_version: "1.0",
        event_id: "e-1",
        trace_id: "tr-1",
        ...place,
        device_id: "d-001",
        event_type: "telemetry.reading",
        occurred_at: new Date("2026-02-12T09:32:15.123Z"),
        produced_at: null,
        retry_count: 0,
        topic: telemetry,
        payload: { value: 21.5, unit: "C", metric: null, sensor_id: null },
      },
    });
  });

  it("S10.5 a missing schema version counts as 1.0 with a warning, a later minor is accepted, another major is refused", () => {
    expect(read({ schema_version: undefined })).toMatchObject({ ok: true, warnings: ["schema-version-missing"] });
    expect(read({ schema_version: "1.7", added: 1, payload: { value: 1, added: true } })).toMatchObject({
      ok: true,
      warnings: [],
    });
    for (const schema_version of ["2.0", "0.9", "10.0", "one", 1, "1", ""])
      expect(reasonOf(read({ schema_version }))).toBe("schema-version");
  });

  it("S10.5 legacy names are accepted with a warning, and the proper name wins", () => {
    expect(read({ ts: undefined, occurred_at: "2026-02-12T09:32:15Z" })).toMatchObject({ ok: true, warnings: ["ts-alias"] });
    expect(read({ trace_id: undefined })).toMatchObject({
      ok: true,
      message: { trace_id: null },
      warnings: ["trace-id-missing"],
    });
    for (const name of ["weightKg", "weight", "value"]) {
      const recorded = read(
        { event_type: "weighvision.weight.recorded", payload: { [name]: 2.5 } },
        weigh("weighvision.weight.recorded"),
      );
      expect(recorded).toMatchObject({ ok: true, message: { payload: { weight_kg: 2.5 } }, warnings: ["payload-alias"] });
    }
    for (const name of ["mediaId", "media_object_id", "mediaObjectId"]) {
      const captured = read(
        { event_type: "weighvision.image.captured", payload: { [name]: "m-1" } },
        weigh("weighvision.image.captured"),
      );
      expect(captured).toMatchObject({ ok: true, message: { payload: { media_id: "m-1" } } });
    }
    const created = read(
      { event_type: "weighvision.session.created", payload: { batchId: "old", batch_id: "new" } },
      weigh("weighvision.session.created"),
    );
    expect(created).toMatchObject({ ok: true, message: { payload: { batch_id: "new" } }, warnings: [] });
  });

  it("P-C19 names the first thing that is wrong, in the order of the list", () => {
    const other = { tenant_id: "t-002", device_id: "d-002", event_type: "device.status" };
    expect(reasonOf(read({ ...other, schema_version: "2.0", payload: {} }))).toBe("schema-version");
    expect(reasonOf(read({ ...other, payload: {} }))).toBe("tenant-mismatch");
    expect(reasonOf(read({ device_id: "d-002", event_type: "device.status", payload: {} }))).toBe("device-mismatch");
    expect(reasonOf(read({ event_type: "device.status", payload: {} }))).toBe("event-type-mismatch");
    expect(reasonOf(read({ payload: {} }))).toBe("payload-invalid");
  });

  it("a weigh message may come from any device id, the station is in the topic", () => {
    const result = read(
      { device_id: "wv-9", event_type: "weighvision.weight.recorded", payload: { weight_kg: 0 } },
      weigh("weighvision.weight.recorded"),
    );
    expect(result).toMatchObject({ ok: true, message: { device_id: "wv-9" } });
  });

  it("P-E5 an event type that nothing handles is refused, also when topic and envelope agree", () => {
    expect(reasonOf(read({ event_type: "feed.invented" }, event("feed.invented")))).toBe("event-type-unknown");
    expect(reasonOf(read({ event_type: "toString" }, event("toString")))).toBe("event-type-unknown");
    expect(reasonOf(read({ event_type: "weighvision.weight.recorded" }, event("weighvision.weight.recorded")))).toBe(
      "event-type-mismatch",
    );
    expect(reasonOf(read({ event_type: "feed.dispensed", payload: { quantity_kg: 1 } }, weigh("feed.dispensed")))).toBe(
      "event-type-mismatch",
    );
  });

  it("P-C15 what the old sensor agent sent, a flat message, is refused by name of its missing fields", () => {
    const flat = parseEnvelope(
      telemetry,
      bytes({
        schema_version: "1.0",
        tenant_id: "t-001",
        device_id: "d-001",
        event_id: "e",
        ts: "2026-02-12T09:32:15Z",
        value: 1,
      }),
    );
    expect(flat).toEqual({ ok: false, reason: "envelope-invalid", detail: "event_type, payload" });
  });

  it.each([
    ["not JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["deep nesting", `${"[".repeat(30_000)}${"]".repeat(30_000)}`],
  ])("refuses a body that is %s", (_name, text) => {
    expect(reasonOf(parseEnvelope(telemetry, bytes(text)))).toBe("envelope-invalid");
  });

  it("refuses bytes that are no UTF-8, and bodies above the limit before reading them", () => {
    expect(reasonOf(parseEnvelope(telemetry, new Uint8Array([0x7b, 0xff, 0x7d])))).toBe("envelope-invalid");
    expect(reasonOf(parseEnvelope(telemetry, bytes("x".repeat(65_537))))).toBe("message-too-large");
  });

  it.each([
    "2026-02-30T00:00:00Z",
    "2026-02-12",
    "2026-02-12T09:32:15",
    "yesterday",
    1_770_888_735,
    "1999-12-31T23:59:59Z",
    "2026-02-12T25:00:00Z",
  ])("refuses the time %j", (ts) => {
    expect(reasonOf(read({ ts }))).toBe("envelope-invalid");
  });

  it("accepts a time with an offset and keeps the instant", () => {
    expect(read({ ts: "2026-02-12T16:32:15+07:00" })).toMatchObject({
      ok: true,
      message: { occurred_at: new Date("2026-02-12T09:32:15Z") },
    });
  });

  it.each([
    [{ value: "21.5" }],
    [{ value: null }],
    [{ value: 1e12 }],
    [{ unit: "C" }],
    [{ value: 1, metric: "humidity" }],
    [{ value: 1, unit: "x\u0000" }],
  ])("P-C2 refuses the reading %j before anything is marked", (payload) => {
    expect(reasonOf(read({ payload }))).toBe("payload-invalid");
  });

  it("refuses a session whose payload contradicts its topic", () => {
    const result = read(
      { event_type: "weighvision.session.created", payload: { session_id: "another" } },
      weigh("weighvision.session.created"),
    );
    expect(result).toEqual({ ok: false, reason: "payload-invalid", detail: "session_id" });
  });

  it("never puts a value into a refusal", () => {
    const result = read({ payload: { value: "planted-marker" } });
    expect(JSON.stringify(result)).not.toContain("planted-marker");
  });

  it("S8.4 time: an hour ahead and 90 days back pass, a millisecond more does not", () => {
    const result = read();
    if (!result.ok) throw new Error(result.reason);
    const at = result.message.occurred_at.getTime();
    expect(timeRefusal(result.message, at - envelopeLimits.aheadMsMax)).toBeNull();
    expect(timeRefusal(result.message, at - envelopeLimits.aheadMsMax - 1)).toMatchObject({ reason: "clock-ahead" });
    expect(timeRefusal(result.message, at + envelopeLimits.ageMsMax)).toBeNull();
    expect(timeRefusal(result.message, at + envelopeLimits.ageMsMax + 1)).toMatchObject({ reason: "too-old" });
  });

  it("no input makes the reader throw", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.jsonValue().map((payload) => JSON.stringify(body({ payload }))),
        ),
        (text) => {
          expect(typeof parseEnvelope(telemetry, bytes(text)).ok).toBe("boolean");
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("building", () => {
  it("P-C15 P-E6 P-E8 what the simulator sends is what the ingress reads", () => {
    const built = buildEnvelope(weigh("weighvision.weight.recorded"), {
      ...content,
      device_id: "wv-1",
      payload: { weight_kg: 2.25 },
    });
    expect(parseEnvelope(weigh("weighvision.weight.recorded"), built)).toMatchObject({
      ok: true,
      warnings: [],
      message: { event_type: "weighvision.weight.recorded", payload: { weight_kg: 2.25 }, device_id: "wv-1" },
    });
  });

  it("P-E6 a message that the ingress would refuse cannot be built", () => {
    expect(() => buildEnvelope(telemetry, { ...content, payload: {} })).toThrow("payload-invalid");
    expect(() => buildEnvelope(weigh("weighvision.weight.recorded"), { ...content, payload: { weight_kg: 1 } })).toThrow(
      "envelope-invalid",
    );
    expect(() => buildEnvelope(event("feed.invented"), content)).toThrow("event-type-unknown");
  });
});
