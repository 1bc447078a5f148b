import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Commit } from "./commit.ts";
import { changeBody, changeDigest, commitHash, commitHashHolds, firstPreviousHash } from "./commit-hash.ts";

const change = {
  table: "reading",
  op: "insert",
  columns: ["tenant_id", "id", "value"],
  values: [
    ["acme", "acme"],
    ["a", 'b"\\\u0001é'],
    ["21.50", null],
  ],
  rowCount: 2,
} as const;

const header = {
  tenant: "acme",
  origin: "01890a5d-ac96-774b-bcce-000000000009",
  seq: 1,
  stamp: 116_989_910_220_701_697n,
  node: "01890a5d-ac96-774b-bcce-000000000008",
  tier: "edge",
  author: null,
  catalogVersion: 3,
  previousHash: firstPreviousHash(),
  changes: [change, { ...change, op: "delete" }],
} as const;

const commit: Commit = { ...header, hash: commitHash(header) };

describe("commit hash", () => {
  it("hashes the documented bytes", () => {
    const digests = ["insert", "delete"].map((op) =>
      createHash("sha256")
        .update(`reading\n${op}\ntenant_id,id,value\n[["acme","acme"],["a","b\\"\\\\\\u0001é"],["21.50",null]]`)
        .digest(),
    );
    const head = "01890a5d-ac96-774b-bcce-000000000009\n1\n116989910220701697\nacme\n01890a5d-ac96-774b-bcce-000000000008\n\n3\n";
    const expected = createHash("sha256").update(Buffer.alloc(32)).update(head);
    for (const digest of digests) expected.update(digest);
    expect(Buffer.from(changeDigest(change)).toString("hex")).toBe(digests[0]?.toString("hex"));
    expect(Buffer.from(commit.hash).toString("hex")).toBe(expected.digest("hex"));
  });

  it("F-B12 no longer holds when anything that is hashed was altered", () => {
    expect(commitHashHolds(commit)).toBe(true);
    const altered: readonly Partial<Commit>[] = [
      { tenant: "acmf" },
      { origin: commit.node },
      { seq: 2 },
      { stamp: commit.stamp + 1n },
      { node: commit.origin },
      { author: "x" },
      { catalogVersion: 4 },
      { previousHash: new Uint8Array(32).fill(1) },
      { changes: [change] },
      { changes: commit.changes.toReversed() },
      {
        changes: [
          { ...change, table: "readinh" },
          { ...change, op: "delete" },
        ],
      },
      {
        changes: [
          {
            ...change,
            values: [
              ["acme", "acme"],
              ["a", "b"],
              ["21.50", null],
            ],
          },
          { ...change, op: "delete" },
        ],
      },
    ];
    for (const part of altered) expect(commitHashHolds({ ...commit, ...part })).toBe(false);
  });

  it("stores the vectors as the JSON text that is hashed", () => {
    expect(changeBody(change)).toBe(JSON.stringify(change.values));
  });
});
