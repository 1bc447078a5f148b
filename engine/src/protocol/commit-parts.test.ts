import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { LogSlice } from "../replica/replica-storage.ts";
import { PartAssembler, encodeSlice, joinParts, splitCommit } from "./commit-parts.ts";
import type { PartFrame } from "./frame.ts";
import { decodeFrame, encodeFrame } from "./frame-codec.ts";
import { defaultLimits } from "./limits.ts";
import { sampleCommit, sampleUuid } from "./sample-frames.ts";

const limits = { ...defaultLimits, frameBytesMax: 4_096, frameRowsMax: 500 };

/** A slice of commits whose one text column does not shrink. */
function sliceOf(commits: number, rows: number): LogSlice {
  const change = () => ({
    table: "note",
    op: "insert" as const,
    columns: ["body"],
    values: [Array.from({ length: rows }, () => randomBytes(15).toString("base64"))],
    rowCount: rows,
  });
  const all = Array.from({ length: commits }, (_, index) => sampleCommit(index + 1, new Uint8Array(32), [change()]));
  return { tenant: "acme", incarnation: sampleUuid(5), after: 10, upTo: 10 + commits, head: 99, commits: all };
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (isHayloftError(error)) return error.code;
    throw error;
  }
  return "nothing was thrown";
};

const big = sliceOf(1, 1_000);
const parts = splitCommit(big, limits);
const [firstPart, secondPart] = parts;
const lastPart = parts.at(-1);
if (firstPart === undefined || secondPart === undefined || lastPart === undefined) throw new Error("the sample is too small");

describe("commit parts", () => {
  it("F-B7 a commit above the frame limit travels in parts that each fit and is whole again after the last", () => {
    expect(parts.length).toBeGreaterThan(4);
    const assembler = new PartAssembler(limits);
    for (const part of parts) {
      const bytes = encodeFrame(part, limits);
      expect(bytes.length).toBeLessThanOrEqual(limits.frameBytesMax);
      const frame = decodeFrame(bytes, limits);
      const slice = frame.type === "part" ? assembler.add(frame) : null;
      expect(slice).toEqual(part.last ? big : null);
    }
    expect(assembler.bytes).toBe(0);
    expect(joinParts(parts, limits)).toEqual(big);
  });

  it("F-B4 nothing comes of parts that are missing, twice, out of order or of two commits", () => {
    const middle = parts.slice(1, -1);
    const sequences: readonly (readonly PartFrame[])[] = [
      parts.slice(0, -1),
      parts.slice(1),
      [firstPart, ...parts.slice(2)],
      [firstPart, secondPart, ...parts.slice(1)],
      [firstPart, ...middle.toReversed(), lastPart],
      [firstPart, { ...secondPart, position: 99 }, ...parts.slice(2)],
      [firstPart, { ...secondPart, tenant: "evil" }, ...parts.slice(2)],
      [],
    ];
    for (const sequence of sequences) expect(codeOf(() => joinParts(sequence, limits))).toBe("sequence-gap");
  });

  it("part 0 begins anew, so that a restarted stream needs no other sign", () => {
    expect(joinParts([firstPart, secondPart, ...parts], limits)).toEqual(big);
  });

  it("F-B12 a part that was altered makes the whole commit refused", () => {
    const bytes = secondPart.bytes.slice();
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    expect(codeOf(() => joinParts([firstPart, { ...secondPart, bytes }, ...parts.slice(2)], limits))).toBe("content-hash");
    expect(codeOf(() => joinParts([...parts.slice(0, -1), { ...lastPart, digest: null }], limits))).toBe("content-hash");
  });

  it("holds no more than the limits of a commit", () => {
    const assembler = new PartAssembler({ ...limits, commitBytesMax: 10_000 });
    expect(codeOf(() => parts.forEach((part) => assembler.add(part)))).toBe("frame-too-large");
    expect(assembler.bytes).toBe(0);
    const few = new PartAssembler({ ...limits, commitPartsMax: 2 });
    expect(codeOf(() => parts.forEach((part) => few.add(part)))).toBe("frame-too-large");
    expect(codeOf(() => splitCommit(big, { ...limits, commitPartsMax: 2 }))).toBe("frame-too-large");
    expect(codeOf(() => splitCommit(big, { ...limits, commitRowsMax: 999 }))).toBe("frame-too-large");
  });

  it("a slice above the limit is sent in frames of which only the last moves the position", () => {
    const slice = sliceOf(12, 60);
    const frames = encodeSlice(slice, limits).map((bytes) => decodeFrame(bytes, limits));
    expect(frames.length).toBeGreaterThan(3);
    const slices = frames.flatMap((frame) => (frame.type === "commits" ? [frame.slice] : []));
    expect(slices.flatMap((part) => part.commits)).toEqual(slice.commits);
    expect(slices.map((part) => part.after)).toEqual(slices.map(() => 10));
    expect(slices.map((part) => part.upTo)).toEqual([...slices.slice(1).map(() => 10), 22]);
  });

  it("a slice that fits, or is empty, is one frame", () => {
    const empty = { ...sliceOf(0, 0), upTo: 15 };
    for (const slice of [sliceOf(2, 3), empty]) {
      const [bytes, ...others] = encodeSlice(slice, limits);
      expect(others).toEqual([]);
      expect(bytes === undefined ? null : decodeFrame(bytes, limits)).toEqual({ type: "commits", slice });
    }
  });
});
