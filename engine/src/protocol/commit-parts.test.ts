import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { changeDigest, commitHashOf } from "../commit/commit-hash.ts";
import { sha256 } from "../commit/sha256.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { LogSlice } from "../replica/replica-storage.ts";
import { encodeSlice, partDigest } from "./commit-parts.ts";
import { decodeFrame } from "./frame-codec.ts";
import { defaultLimits } from "./limits.ts";
import { sampleChange, sampleCommit, sampleUuid } from "./sample-frames.ts";

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

describe("slices and parts", () => {
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

  it("a commit that does not fit a frame alone is refused here: it goes in parts", () => {
    expect(codeOf(() => encodeSlice(sliceOf(1, 1_000), limits))).toBe("frame-too-large");
    expect(codeOf(() => encodeSlice(sliceOf(3, 1_000), limits))).toBe("frame-too-large");
  });

  it("the running digest depends on every change, their order and the commit, and on what is in which part", () => {
    const one = changeDigest(sampleChange);
    const two = changeDigest({ ...sampleChange, op: "update" });
    const commit = sampleCommit(1, new Uint8Array(32), [sampleChange, { ...sampleChange, op: "update" }]);
    const first = partDigest(commit.hash, [one]);
    expect(first).toEqual(sha256(Uint8Array.from([...commit.hash, ...one])));
    expect(partDigest(first, [two])).not.toEqual(partDigest(partDigest(commit.hash, [two]), [one]));
    expect(partDigest(first, [])).not.toEqual(first);
    expect(commitHashOf(commit, [one, two])).toEqual(commit.hash);
  });
});
