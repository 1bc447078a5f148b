import { commitHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { Frame } from "./frame.ts";

// One frame of every type, for the tests of the codec.

export const sampleUuid = (number: number): string => `01890a5d-ac96-774b-bcce-${number.toString(16).padStart(12, "0")}`;

export const sampleBytes = (size: number, start = 0): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (start + index) % 256);

export const sampleChange: Change = {
  table: "reading",
  op: "insert",
  columns: ["tenant_id", "id", "value", "note", "occurred_at", "day"],
  values: [
    ["acme", "acme", "acme"],
    [sampleUuid(1), sampleUuid(2), sampleUuid(3)],
    ["21.50", null, "-3.25"],
    ["Küche", "", "日本語"],
    ["2026-11-23 14:00:00.123+00", "2026-11-23 14:00:01+00", "infinity"],
    ["2026-11-23", "0001-01-01", "9999-12-31"],
  ],
  rowCount: 3,
};

export const sampleCommit = (
  seq: number,
  previousHash: Uint8Array,
  changes: readonly Change[],
  author: string | null = null,
): Commit => {
  const header = {
    tenant: "acme",
    origin: sampleUuid(9),
    seq,
    stamp: 116_989_910_220_701_696n + BigInt(seq),
    node: sampleUuid(8),
    tier: "edge",
    author,
    catalogVersion: 3,
    previousHash,
    changes,
  };
  return { ...header, hash: commitHash(header) };
};

const deletion: Change = {
  table: "reading",
  op: "delete",
  columns: ["tenant_id", "id"],
  values: [["acme"], [sampleUuid(1)]],
  rowCount: 1,
};
const first = sampleCommit(1, new Uint8Array(32), [sampleChange, deletion, sampleChange]);
export const sampleCommits: readonly Commit[] = [
  first,
  sampleCommit(2, first.hash, [deletion], "Somchai"),
  sampleCommit(5, sampleBytes(32), []),
];

const withKept = (change: Change): Change => ({
  ...change,
  columns: [...change.columns, "$kept"],
  values: [...change.values, Array.from({ length: change.rowCount }, () => "*")],
});

const cursor = { tenant: "acme", incarnation: sampleUuid(5), position: 3 };

export const sampleFrames: readonly Frame[] = [
  {
    type: "hello",
    protocols: [1],
    application: "farm",
    catalogVersion: 3,
    catalogHash: sampleBytes(32),
    tenant: "acme",
    node: sampleUuid(8),
    tier: "edge",
    nonce: sampleBytes(32, 7),
    extensions: [],
  },
  {
    type: "welcome",
    protocol: 1,
    node: sampleUuid(7),
    tier: "cloud",
    catalogVersion: 3,
    catalogHash: sampleBytes(32),
    nonce: sampleBytes(32, 9),
    signature: sampleBytes(64),
    extensions: ["review"],
  },
  {
    type: "prove",
    signature: sampleBytes(64, 1),
    nowMs: 1_795_442_400_000,
    heads: [{ tenant: "acme", incarnation: sampleUuid(9), position: 0, seq: 0, stamp: 0n }],
    received: [cursor],
    staged: [{ tenant: "acme", incarnation: sampleUuid(5), position: 4, parts: 3, digest: sampleBytes(32) }],
    credit: 4_194_304,
  },
  {
    type: "ready",
    grant: { tenant: "acme", tier: "edge", role: "edge", scopes: { farm: [sampleUuid(20)], barn: [] } },
    nowMs: 1_795_442_400_001,
    top: true,
    heads: [{ tenant: "acme", incarnation: sampleUuid(5), position: 12, seq: 7, stamp: 9_223_372_036_854_775_807n }],
    received: [],
    staged: [],
    credit: 1,
    pingMs: 20_000,
  },
  {
    type: "prove",
    signature: sampleBytes(64, 1),
    nowMs: 1_795_442_400_000,
    heads: [],
    received: [{ ...cursor, mark: sampleBytes(64, 3) }],
    staged: [],
    credit: 1,
    copy: sampleUuid(11),
    lives: [{ tenant: "acme", incarnation: sampleUuid(9) }],
    horizons: [{ tenant: "acme", incarnation: sampleUuid(10), position: 2, seq: 1, hash: sampleBytes(32, 4) }],
  },
  {
    type: "ready",
    grant: { tenant: "acme", tier: "edge", role: "edge", scopes: {} },
    nowMs: 1,
    top: false,
    heads: [],
    received: [],
    staged: [],
    credit: 1,
    pingMs: 20_000,
    chains: [{ tenant: "acme", incarnation: sampleUuid(9), seq: 3, hash: sampleBytes(32, 5) }],
    lives: [{ tenant: "acme", incarnation: sampleUuid(5), position: 12 }],
    offers: ["acme"],
  },
  {
    type: "commits",
    slice: { tenant: "acme", incarnation: sampleUuid(5), after: 2, upTo: 2, head: 40, commits: [], mark: sampleBytes(64, 6) },
  },
  { type: "commits", slice: { tenant: "acme", incarnation: sampleUuid(5), after: 2, upTo: 9, head: 40, commits: sampleCommits } },
  { type: "commits", slice: { tenant: "acme", incarnation: sampleUuid(5), after: 9, upTo: 12, head: 40, commits: [] } },
  {
    type: "part",
    slice: { tenant: "acme", incarnation: sampleUuid(5), after: 2, upTo: 4, head: 40, commits: [first] },
    index: 0,
    last: false,
    digest: sampleBytes(32),
  },
  {
    type: "part",
    slice: { tenant: "acme", incarnation: sampleUuid(5), after: 2, upTo: 4, head: 40, commits: [{ ...first, changes: [] }] },
    index: 1,
    last: true,
    digest: sampleBytes(32, 5),
  },
  {
    type: "ack",
    tenant: "acme",
    incarnation: sampleUuid(9),
    position: 9,
    level: "D2",
    top: true,
    outcomes: [
      { origin: sampleUuid(9), seq: 4, outcome: "refused", code: "refused-rule", truth: [sampleChange, deletion] },
      { origin: sampleUuid(9), seq: 5, outcome: "merged", code: null, truth: [] },
    ],
  },
  {
    type: "reject",
    tenant: "acme",
    position: 2,
    code: "sequence-gap",
    details: { expected: 2, after: 3, ratio: 0.5, why: "gap", none: null, yes: true },
  },
  { type: "credit", bytes: 65_536 },
  { type: "settled", tenant: "acme", origins: [{ origin: sampleUuid(9), seq: 5 }] },
  { type: "snapshot", tenant: "acme", cursor: null, tables: null },
  { type: "snapshot", tenant: "acme", cursor: { tableIndex: 2, afterKey: [sampleUuid(1), "k"] }, tables: ["barns", "silos"] },
  {
    type: "page",
    at: cursor,
    chunk: {
      tenant: "acme",
      change: sampleChange,
      stamps: ['{"note":["1","n"]}', null, null],
      next: { tableIndex: 1, afterKey: null },
    },
  },
  { type: "page", at: cursor, chunk: { tenant: "acme", change: sampleChange, stamps: null, next: null } },
  { type: "snapshot_done", at: cursor },
  {
    type: "compare",
    id: 1,
    question: {
      tenant: "acme",
      table: "reading",
      kept: { from: "2026-11-01 10:00:00+00" },
      ranges: [
        { after: null, to: [sampleUuid(1)], rows: 10_000, digest: sampleBytes(16) },
        { after: [sampleUuid(1)], to: null, rows: 7, digest: sampleBytes(16, 3) },
      ],
    },
  },
  { type: "compared", id: 1, answer: { differing: [1] } },
  {
    type: "compare_rows",
    id: 2,
    question: {
      tenant: "acme",
      table: "reading",
      kept: { values: ["41", "42"] },
      range: { after: [sampleUuid(1)], to: null },
      received: 40,
      keys: [sampleUuid(2)],
      digests: sampleBytes(16, 9),
    },
  },
  {
    type: "rows_compared",
    id: 2,
    answer: { received: 12, left: 0, rows: [withKept(sampleChange), withKept(deletion)], healed: 1 },
  },
  { type: "repair", id: 3, request: { tenant: "acme", received: 40, rows: [withKept(sampleChange)] } },
  { type: "repaired", id: 3, answer: { healed: 1, refused: 0 } },
  { type: "ping", nowMs: 1 },
  { type: "pong", echoMs: 1, nowMs: 2 },
  { type: "drain", afterMs: 500, url: "wss://hub.example/sync" },
  { type: "error", code: "frame-invalid", message: "frame-invalid: A frame is not well formed.", details: { path: "slice" } },
];
