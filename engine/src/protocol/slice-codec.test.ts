import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellText, Change, Commit } from "../commit/commit.ts";
import { commitHash, commitHashHolds } from "../commit/commit-hash.ts";
import type { Frame } from "./frame.ts";
import { decodeFrame, encodeFrame } from "./frame-codec.ts";

const name = fc.stringMatching(/^[a-z_$][a-z0-9_$]{0,20}$/);
const cell: fc.Arbitrary<CellText> = fc.option(
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.uuid(),
    fc.double().map(String),
    fc.constantFrom(
      "t",
      "2026-11-23 14:00:00.123+00",
      "-0",
      "007",
      "1e20",
      "NaN",
      "-infinity",
      "0044-03-15 BC",
      "10000-01-01",
      "21.50",
    ),
  ),
  { nil: null, freq: 5 },
);

const change: fc.Arbitrary<Change> = fc
  .record({
    table: fc.constantFrom("reading", "note", "barn"),
    op: fc.constantFrom("insert", "update", "delete", "evict"),
    columns: fc.oneof(fc.constant(["tenant_id", "id"]), fc.uniqueArray(name, { maxLength: 5 })),
    rowCount: fc.nat({ max: 6 }),
  })
  .chain((shape) =>
    fc
      .array(fc.array(cell, { minLength: shape.rowCount, maxLength: shape.rowCount }), {
        minLength: shape.columns.length,
        maxLength: shape.columns.length,
      })
      .map((values): Change => ({ ...shape, values })),
  );

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const origins = ["01890a5d-ac96-774b-bcce-000000000001", "01890a5d-ac96-774b-bcce-000000000002"];

/** Commits of two origins mixed, some linked to the one before by hash and some, as a filter leaves them, not. */
const commits: fc.Arbitrary<readonly Commit[]> = fc
  .array(
    fc.record({
      origin: fc.constantFrom(...origins),
      step: fc.nat({ max: 3 }),
      stamp: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      node: fc.uuid(),
      tier: fc.constantFrom("edge", "tablet"),
      author: fc.option(fc.string({ unit: "grapheme", maxLength: 20 }), { nil: null }),
      catalogVersion: fc.nat(),
      previousHash: hash,
      linked: fc.boolean(),
      changes: fc.array(change, { maxLength: 4 }),
    }),
    { maxLength: 12 },
  )
  .map((drafts) => {
    const ends = new Map<string, Commit>();
    return drafts.map(({ step, linked, ...draft }): Commit => {
      const end = ends.get(draft.origin);
      const header = {
        ...draft,
        tenant: "acme",
        seq: (end?.seq ?? 0) + 1 + step,
        previousHash: linked && end !== undefined ? end.hash : draft.previousHash,
      };
      const commit = { ...header, hash: commitHash(header) };
      ends.set(draft.origin, commit);
      return commit;
    });
  });

const slice = fc.tuple(commits, fc.nat(), fc.nat(), fc.nat()).map(([all, after, size, ahead]) => ({
  tenant: "acme",
  incarnation: "01890a5d-ac96-774b-bcce-0000000000ff",
  after,
  upTo: after + size,
  head: after + size + ahead,
  commits: all,
}));

describe("slice codec", () => {
  it("gives back exactly any slice, so that its hashes hold behind the wire", () => {
    fc.assert(
      fc.property(slice, (sent) => {
        const frame: Frame = { type: "commits", slice: sent };
        const received = decodeFrame(encodeFrame(frame));
        expect(received).toEqual(frame);
        expect(received.type === "commits" && received.slice.commits.every((commit) => commitHashHolds(commit))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("gives back exactly any page", () => {
    const page = change.chain((rows) =>
      fc
        .option(fc.array(cell, { minLength: rows.rowCount, maxLength: rows.rowCount }), { nil: null })
        .map((stamps) => ({ rows, stamps })),
    );
    fc.assert(
      fc.property(page, ({ rows, stamps }) => {
        const at = { tenant: "acme", incarnation: origins[0] ?? "", position: 4 };
        const frame: Frame = { type: "page", at, chunk: { tenant: "acme", change: rows, stamps, next: null } };
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
      { numRuns: 400 },
    );
  });
});
