import { env, memoryUsage } from "node:process";
import { deflateRawSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "../commit/sha256.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { ByteWriter } from "./batch/byte-writer.ts";
import type { WireValue } from "./cbor.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { deflate, inflate } from "./deflate.ts";
import type { Frame } from "./frame.ts";
import { CHECK_BYTES, decodeFrame, encodeFrame } from "./frame-codec.ts";
import { FRAME_DEPTH_MAX, defaultLimits } from "./limits.ts";
import { sampleFrames, sampleUuid } from "./sample-frames.ts";
import { asMap } from "./wire-type.ts";

// HAYLOFT_FUZZ_RUNS=1000000 for a long run.
const runs = Number(env["HAYLOFT_FUZZ_RUNS"] ?? 4_000);
const decodeMsMax = 2_000;
const timeoutMs = 60_000 + runs;

function sealed(item: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(item.length + CHECK_BYTES);
  bytes.set(item);
  bytes.set(sha256(item).subarray(0, CHECK_BYTES), item.length);
  return bytes;
}

/** How a decode ended: with a frame, or with one of the two codes it may have. Anything else fails the test. */
function outcomeOf(bytes: Uint8Array): string {
  const start = performance.now();
  let outcome: string = "accepted";
  try {
    const frame = decodeFrame(bytes);
    // What was accepted can be sent on: nothing half-checked came through.
    encodeFrame(frame);
  } catch (error) {
    if (!isHayloftError(error, "frame-invalid") && !isHayloftError(error, "frame-too-large")) throw error;
    outcome = error.code;
  }
  expect(performance.now() - start).toBeLessThan(decodeMsMax);
  return outcome;
}

const items = sampleFrames.map((frame) => encodeFrame(frame)).map((bytes) => bytes.slice(0, bytes.length - CHECK_BYTES));

/** One change to some bytes: a byte set, a bit flipped, a stretch removed, doubled or replaced. */
const mutation = fc.record({
  kind: fc.constantFrom("set", "flip", "remove", "double", "insert"),
  at: fc.nat(),
  size: fc.nat({ max: 12 }),
  value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x5f, 0x9f, 0xbf, 0x1b, 0x3b, 0x9b, 0xf7, 0xfb)),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function mutate(bytes: Uint8Array, { kind, at, size, value }: Mutation): Uint8Array {
  const start = bytes.length === 0 ? 0 : at % bytes.length;
  const end = Math.min(bytes.length, start + size);
  const before = bytes.subarray(0, start);
  const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
  if (kind === "remove") return join(before, bytes.subarray(end));
  if (kind === "double") return join(bytes.subarray(0, end), bytes.subarray(start));
  if (kind === "insert") return join(before, new Uint8Array(size).fill(value), bytes.subarray(start));
  const changed = bytes.slice();
  changed[start] = kind === "set" ? value : (changed[start] ?? 0) ^ (1 << (value & 7));
  return changed;
}

const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

/** A frame's fields, and where in them its body is. */
interface WithBody {
  readonly map: Readonly<Record<string, WireValue>>;
  readonly at: readonly [string, string];
}

const bodies = sampleFrames.flatMap((frame): WithBody[] => {
  const bytes = encodeFrame(frame);
  const map = asMap(decodeCbor(bytes.subarray(0, bytes.length - CHECK_BYTES), FRAME_DEPTH_MAX), "");
  if (frame.type === "commits") return [{ map, at: ["slice", "commits"] }];
  if (frame.type === "page") return [{ map, at: ["chunk", "rows"] }];
  return [];
});

function withBody(
  map: Readonly<Record<string, WireValue>>,
  [outer, inner]: readonly [string, string],
  body: WireValue,
): Uint8Array {
  return sealed(encodeCbor({ ...map, [outer]: { ...asMap(map[outer], ""), [inner]: body } }));
}

function bodyOf(map: Readonly<Record<string, WireValue>>, [outer, inner]: readonly [string, string]): Uint8Array {
  const [size, bytes] = asMap(map[outer], "")[inner] as readonly [number, Uint8Array];
  return bytes.length === size ? bytes : inflate(bytes, size);
}

describe("hostile frames", () => {
  it("F-B11 random bytes are refused", { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(outcomeOf(bytes)).not.toBe("accepted");
        outcomeOf(sealed(bytes));
      }),
      { numRuns: runs },
    );
  });

  it(
    "F-B12 F-B11 a frame altered on its way is refused; one made by a hostile peer is a frame or refused, never a crash",
    { timeout: timeoutMs },
    () => {
      fc.assert(
        fc.property(fc.constantFrom(...items), mutations, (item, changes) => {
          const altered = changes.reduce(mutate, item);
          const unchanged = Buffer.from(altered).equals(item);
          const check = sealed(item).subarray(item.length);
          expect(outcomeOf(Uint8Array.from([...altered, ...check])) === "accepted").toBe(unchanged);
          outcomeOf(sealed(altered));
        }),
        { numRuns: runs },
      );
    },
  );

  it("F-B11 F-B8 a body made by a hostile peer is a body or refused, never a crash", { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...bodies),
        mutations,
        fc.boolean(),
        fc.integer({ min: -2, max: 2 }),
        (sample, changes, deflated, lie) => {
          const body = changes.reduce(mutate, bodyOf(sample.map, sample.at));
          const size = Math.max(0, body.length + (deflated ? lie : 0));
          expect(outcomeOf(withBody(sample.map, sample.at, [size, deflated ? deflate(body) : body]))).toMatch(
            /^accepted$|^frame-/,
          );
        },
      ),
      { numRuns: runs },
    );
  });
});

describe("bombs", () => {
  const sample = bodies[0];
  if (sample === undefined) throw new Error("no sample with a body");
  const bomb = (size: number, body: Uint8Array): string =>
    outcomeOf(withBody(sample.map, sample.at, [size, deflateRawSync(body)]));

  it("F-B8 a declared size above the limit is refused before inflating", () => {
    expect(bomb(defaultLimits.bodyBytesMax + 1, new Uint8Array(64))).toBe("frame-too-large");
    expect(bomb(2 ** 52, new Uint8Array(64))).toBe("frame-too-large");
  });

  it("F-B8 inflating stops at the declared size", () => {
    const before = memoryUsage().rss;
    const deflated = deflateRawSync(new Uint8Array(256 * 2 ** 20));
    const after = memoryUsage().rss;
    const small = withBody(sample.map, sample.at, [1_000_000, deflated]);
    expect(outcomeOf(small)).toBe("frame-invalid");
    expect(memoryUsage().rss - Math.max(before, after)).toBeLessThan(64 * 2 ** 20);
  });

  /** A body of one block with the given rows and columns, each column as `column` writes it. */
  function unfolding(
    rows: number,
    columns: number,
    changes: readonly number[],
    column: (writer: ByteWriter) => void,
  ): Uint8Array {
    const writer = new ByteWriter();
    writer.unsigned(1);
    writer.text("t");
    writer.byte(0);
    writer.unsigned(rows);
    writer.unsigned(columns);
    for (let index = 0; index < columns; index += 1) writer.text(`c${String(index)}`);
    for (let index = 0; index < columns; index += 1) column(writer);
    writer.unsigned(changes.length);
    for (const _ of changes) writer.unsigned(0);
    for (const count of changes) writer.unsigned(count);
    writer.byte(0);
    return writer.finish();
  }
  const nulls = (writer: ByteWriter): void => writer.byte(0);
  const long = (writer: ByteWriter): void => {
    writer.byte(1);
    writer.text("x".repeat(100_000));
  };

  it.each([
    ["rows", unfolding(2 ** 40, 1, [2 ** 40], nulls)],
    ["cells", unfolding(30_000, 1_600, [30_000], nulls)],
    ["characters", unfolding(30_000, 1, [30_000], long)],
    ["empty changes", unfolding(1, 1_600, [1, ...Array.from({ length: 1_000_000 }, () => 0)], nulls)],
  ])("F-B8 a body that unfolds to more %s than the limit is refused before it is built", (_, body) => {
    const before = memoryUsage().heapUsed;
    expect(bomb(body.length, body)).toBe("frame-too-large");
    expect(memoryUsage().heapUsed - before).toBeLessThan(96 * 2 ** 20);
  });

  it("F-B8 a thousand outcomes share one body's limits", () => {
    const frame: Frame = {
      type: "ack",
      tenant: "acme",
      incarnation: sampleUuid(1),
      position: 1,
      level: "D1",
      top: true,
      outcomes: [],
    };
    const bytes = encodeFrame(frame);
    const map = asMap(decodeCbor(bytes.subarray(0, bytes.length - CHECK_BYTES), FRAME_DEPTH_MAX), "");
    const outcome = { origin: sampleUuid(1), seq: 1, outcome: "refused", code: "refused-rule", changes: 1 };
    const outcomes = Array.from({ length: 1_000 }, () => outcome);
    expect(outcomeOf(sealed(encodeCbor({ ...map, outcomes })))).toBe("frame-invalid");
    expect(outcomeOf(sealed(encodeCbor({ ...map, outcomes: Array.from({ length: 5_000 }, () => outcome) })))).toBe(
      "frame-too-large",
    );
  });
});
