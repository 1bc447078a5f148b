import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { OPS } from "./batch/changes-codec.ts";
import { COLUMN_KINDS, NULLS } from "./batch/column-codec.ts";
import { encodeCommits } from "./batch/commits-body.ts";
import { encodePage } from "./batch/page-body.ts";
import { CHECK_BYTES, encodeFrame } from "./frame-codec.ts";
import { frameSchema } from "./frame-schema.ts";
import { FRAME_DEPTH_MAX, PROTOCOL_VERSION, defaultLimits } from "./limits.ts";
import { sampleChange, sampleCommits, sampleFrames } from "./sample-frames.ts";

/**
 * What each protocol version looks like on the wire. A change that an older peer would not understand needs a new version
 * and a new line; a new optional field, or a sample that was added, changes the hash of the present one on purpose.
 * `conformance/PROTOCOL.md` and the vectors change with it.
 */
const recorded: Readonly<Record<number, string>> = {
  1: "04274bf2e8f6b792dee8f4409f86630e620c46b06b6a5d6451dae7c601beec13",
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("wire schema", () => {
  it("is the one that is recorded for this protocol version", () => {
    const fields = Object.entries(frameSchema).map(([type, schema]) => `${type} ${schema.expected}`);
    // Samples, so that a change of the encodings shows too. Bodies before deflate, whose bytes depend on the zlib version.
    const frames = sampleFrames
      .filter(({ type }) => !["commits", "part", "page", "ack", "rows_compared", "repair"].includes(type))
      .map((frame) => hex(encodeFrame(frame)));
    const limits = { rowsMax: 100, cellsMax: 1_000, charactersMax: 10_000, commitsMax: 10 };
    const bodies = [
      encodeCommits("acme", sampleCommits, limits),
      encodePage({ change: sampleChange, stamps: [null, "{}", null] }, limits),
    ];
    const samples = [...frames, ...bodies.map(hex)];
    const schema = JSON.stringify({ fields, samples, OPS, COLUMN_KINDS, NULLS, CHECK_BYTES, FRAME_DEPTH_MAX, defaultLimits });
    expect(createHash("sha256").update(schema).digest("hex")).toBe(recorded[PROTOCOL_VERSION]);
  });
});
