import { describe, expect, it } from "vitest";
import { sha256 } from "../commit/sha256.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { WireValue } from "./cbor.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import type { Frame } from "./frame.ts";
import { CHECK_BYTES, decodeFrame, encodeFrame } from "./frame-codec.ts";
import { FRAME_DEPTH_MAX, defaultLimits } from "./limits.ts";
import { sampleBytes, sampleChange, sampleCommit, sampleFrames, sampleUuid } from "./sample-frames.ts";
import type { WireMap } from "./wire-type.ts";
import { asMap } from "./wire-type.ts";

/** A frame of raw bytes with a right check, as a hostile peer would make it. */
function sealed(item: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(item.length + CHECK_BYTES);
  bytes.set(item);
  bytes.set(sha256(item).subarray(0, CHECK_BYTES), item.length);
  return bytes;
}

const mapOf = (frame: Frame): WireMap => {
  const bytes = encodeFrame(frame);
  return asMap(decodeCbor(bytes.subarray(0, bytes.length - CHECK_BYTES), FRAME_DEPTH_MAX), "");
};

const forged = (frame: Frame, changed: Record<string, WireValue>): Uint8Array =>
  sealed(encodeCbor({ ...mapOf(frame), ...changed }));

function failure(run: () => unknown): { readonly code: string; readonly details: Readonly<Record<string, unknown>> } {
  try {
    run();
  } catch (error) {
    if (isHayloftError(error)) return { code: error.code, details: error.details };
    throw error;
  }
  throw new Error("nothing was thrown");
}

const sample = (type: Frame["type"]): Frame => {
  const frame = sampleFrames.find((candidate) => candidate.type === type);
  if (frame === undefined) throw new Error(`no sample of ${type}`);
  return frame;
};

describe("frame codec", () => {
  it.each(sampleFrames.map((frame) => [frame.type, frame] as const))("gives back exactly a %s frame", (_, frame) => {
    expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
    expect(decodeFrame(Buffer.from(encodeFrame(frame)))).toStrictEqual(frame);
  });

  it("F-B4 F-B12 refuses every frame cut at every byte", () => {
    for (const frame of sampleFrames) {
      const bytes = encodeFrame(frame);
      for (let length = 0; length < bytes.length; length += 1) {
        expect(failure(() => decodeFrame(bytes.subarray(0, length))).code).toBe("frame-invalid");
      }
    }
  });

  it("F-B4 refuses every frame cut at every byte though its check was made right again", () => {
    for (const frame of sampleFrames) {
      const bytes = encodeFrame(frame);
      for (let length = 0; length < bytes.length - CHECK_BYTES; length += 1) {
        expect(failure(() => decodeFrame(sealed(bytes.subarray(0, length)))).code).toBe("frame-invalid");
      }
    }
  });

  it("F-B12 refuses every frame with one flipped bit", () => {
    for (const frame of sampleFrames) {
      const bytes = encodeFrame(frame);
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const altered = bytes.slice();
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(failure(() => decodeFrame(altered)).code).toBe("frame-invalid");
      }
    }
  });

  it("F-B11 ignores fields that it does not know", () => {
    const frame = sample("ping");
    expect(decodeFrame(forged(frame, { colour: "red", more: [1, { deep: null }] }))).toEqual(frame);
  });

  it("refuses an unknown field that nests deeper than a frame may", () => {
    const nested = (levels: number): WireValue => (levels === 0 ? 1 : [nested(levels - 1)]);
    const frame = sample("ping");
    expect(decodeFrame(forged(frame, { deep: nested(FRAME_DEPTH_MAX - 1) }))).toEqual(frame);
    expect(failure(() => decodeFrame(forged(frame, { deep: nested(FRAME_DEPTH_MAX) })))).toEqual({
      code: "frame-invalid",
      details: { path: "", expected: `at most ${String(FRAME_DEPTH_MAX)} levels of nesting` },
    });
  });

  it("F-B11 refuses a frame type that it does not know, also one that every object has", () => {
    for (const type of ["shout", "constructor", "__proto__", "", 7, null]) {
      expect(failure(() => decodeFrame(sealed(encodeCbor({ type }))))).toEqual({
        code: "frame-invalid",
        details: { path: "type", expected: "a known frame type" },
      });
    }
  });

  it("names the field and what it expects, never what it found", () => {
    const cases: readonly (readonly [Frame["type"], Record<string, WireValue>, string])[] = [
      ["hello", { node: "SECRET" }, "node"],
      ["hello", { tenant: "" }, "tenant"],
      ["hello", { nonce: sampleBytes(31) }, "nonce"],
      ["hello", { protocols: ["SECRET"] }, "protocols[]"],
      ["ping", { nowMs: -1 }, "nowMs"],
      ["ping", { nowMs: 1.5 }, "nowMs"],
      ["ping", { nowMs: 2n ** 60n }, "nowMs"],
      ["ping", { nowMs: "SECRET" }, "nowMs"],
      ["ready", { grant: { tenant: "a", tier: "b", role: "c", scopes: { farm: "SECRET" } } }, "grant.scopes.*"],
      ["prove", { heads: [{ tenant: "a", incarnation: sampleUuid(1), position: 0, seq: 0, stamp: 2n ** 63n }] }, "heads[].stamp"],
      ["ack", { level: "SECRET" }, "level"],
      ["commits", { slice: ["SECRET"] }, "slice"],
      ["snapshot_done", { at: null }, "at"],
    ];
    for (const [type, changed, path] of cases) {
      const { code, details } = failure(() => decodeFrame(forged(sample(type), changed)));
      expect([code, details["path"], details["frame"]]).toEqual(["frame-invalid", path, type]);
      expect(JSON.stringify(details)).not.toContain("SECRET");
    }
  });

  it("refuses a frame that lacks any one of its fields, except those that may be missing", () => {
    const mayBeMissing = new Set(["copy", "lives", "horizons", "chains", "offers"]);
    for (const frame of sampleFrames) {
      for (const field of Object.keys(mapOf(frame))) {
        const rest = Object.fromEntries(Object.entries(mapOf(frame)).filter(([name]) => name !== field));
        if (mayBeMissing.has(field)) expect(decodeFrame(sealed(encodeCbor(rest)))).not.toHaveProperty(field);
        else expect(failure(() => decodeFrame(sealed(encodeCbor(rest)))).code).toBe("frame-invalid");
      }
    }
  });

  it("keeps an outcome whose reason is newer than this build", () => {
    const outcome = { origin: sampleUuid(9), seq: 1, outcome: "refused", code: "refused-by-the-moon", changes: 0 };
    const frame = decodeFrame(forged(sample("ack"), { outcomes: [outcome], truth: [2, new Uint8Array(2)] }));
    expect(frame.type === "ack" && frame.outcomes[0]?.code).toBe("refused-other");
  });

  it("cuts an error's texts instead of failing to report it", () => {
    const frame: Frame = { type: "error", code: "sql-failed", message: "x".repeat(5000), details: { long: "y".repeat(5000) } };
    expect(decodeFrame(encodeFrame(frame))).toEqual({ ...frame, message: "x".repeat(1024), details: { long: "y".repeat(1024) } });
  });

  it("F-B7 refuses a frame above the limit, in both directions", () => {
    const limits = { ...defaultLimits, frameBytesMax: 100 };
    expect(failure(() => encodeFrame(sample("hello"), limits)).code).toBe("frame-too-large");
    expect(failure(() => decodeFrame(encodeFrame(sample("hello")), limits)).code).toBe("frame-too-large");
    expect(failure(() => decodeFrame(new Uint8Array(2 ** 21))).code).toBe("frame-too-large");
  });

  it("refuses to send what the peer would refuse", () => {
    const commit = sampleCommit(1, new Uint8Array(32), [sampleChange]);
    const slice = { tenant: "acme", incarnation: sampleUuid(5), after: 0, upTo: 1, head: 1 };
    const bad: readonly (readonly [string, Partial<typeof commit>])[] = [
      ["another tenant", { tenant: "evil" }],
      ["an origin that is no uuid", { origin: "me" }],
      ["a short hash", { hash: sampleBytes(31) }],
      ["a stamp above 63 bits", { stamp: 2n ** 63n }],
      ["seq 0", { seq: 0 }],
      ["vectors of another length", { changes: [{ ...sampleChange, rowCount: 2 }] }],
      ["fewer vectors than columns", { changes: [{ ...sampleChange, values: [] }] }],
      ["a column with a comma", { changes: [{ ...sampleChange, columns: ["a,b", ...sampleChange.columns.slice(1)] }] }],
    ];
    for (const [what, changed] of bad) {
      expect([
        what,
        failure(() => encodeFrame({ type: "commits", slice: { ...slice, commits: [{ ...commit, ...changed }] } })).code,
      ]).toEqual([what, "frame-invalid"]);
    }
  });
});

describe("CBOR", () => {
  const refused: Readonly<Record<string, readonly number[]>> = {
    "an indefinite array": [0x9f, 0x01, 0xff],
    "an indefinite map": [0xbf, 0x61, 0x61, 0x01, 0xff],
    "an indefinite text": [0x7f, 0x61, 0x61, 0xff],
    "a tag": [0xc0, 0x61, 0x61],
    "a big integer tag": [0xc2, 0x41, 0x01],
    undefined: [0xf7],
    "a simple value": [0xf8, 0x20],
    "an integer that is not in shortest form": [0x18, 0x01],
    "a length that is not in shortest form": [0x58, 0x01, 0x00],
    "a map with a key twice": [0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02],
    "a map with a number as key": [0xa1, 0x01, 0x01],
    "text that is not UTF-8": [0x62, 0xc3, 0x28],
    "two items": [0x01, 0x02],
    "an array longer than the frame": [0x9a, 0xff, 0xff, 0xff, 0xff],
    "an array of 2^60 items": [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
    "bytes longer than the frame": [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    "nesting of 100,000 levels": [...Array.from({ length: 100_000 }, () => 0x81), 0x01],
    nothing: [],
  };
  it.each(Object.entries(refused))("refuses %s", (_, bytes) => {
    expect(failure(() => decodeCbor(Uint8Array.from(bytes), FRAME_DEPTH_MAX)).code).toBe("frame-invalid");
    expect(failure(() => decodeFrame(sealed(Uint8Array.from(bytes)))).code).toBe("frame-invalid");
  });
});
