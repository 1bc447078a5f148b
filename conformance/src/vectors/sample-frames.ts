import type { Change, Commit, Frame } from "@hayloft/engine";
import { changeDigest, commitHash, partDigest } from "@hayloft/engine";

// What the byte vectors are made of: every frame, every op, every kind of column, links and gaps of the hash chain.

export const uuid = (number: number): string => `01890a5d-ac96-774b-bcce-${number.toString(16).padStart(12, "0")}`;
const bytes = (size: number, start = 0): Uint8Array => Uint8Array.from({ length: size }, (_, index) => (start + index) % 256);

/** Columns by the kind that the encoder chooses for them, and hostile ones that must fall back to text. */
export const sampleColumns: Readonly<Record<string, readonly (string | null)[]>> = {
  "only nulls": [null, null, null],
  "one value": ["acme", "acme", "acme"],
  "one value and nulls": ["acme", null, "acme", null, null, null, null, null, "acme"],
  dictionary: Array.from({ length: 12 }, (_, index) =>
    index % 5 === 0 ? "humidity" : index % 2 === 0 ? "temperature" : "Ammoniak é",
  ),
  "dictionary with nulls": Array.from({ length: 20 }, (_, index) => (index % 7 === 3 ? null : index % 2 === 0 ? "t" : "f")),
  uuids: [uuid(1), uuid(2), uuid(0xffffffff), "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"],
  "upper-case uuids are text": [uuid(10).toUpperCase(), uuid(11)],
  integers: ["1", "2", "3", "1000000", "-7", "0"],
  "integers with common zeros": ["1000", "250000", "0", "-3000"],
  "fixed decimals": ["21.50", "-0.25", "0.00", "1234567890.10"],
  "decimals without needless zeros": ["21.5", "-0.25", "0", "100"],
  "decimals up to the limit": ["999999999999999", "-999999999999999", "0.000000000000001"],
  "numbers that are text": ["-0", "007", "1e20", "NaN", "Infinity", "1.", ".5", "+1", "100000000000000000000"],
  "mixed decimals are text": ["1.50", "1.5", "2"],
  "timestamps in seconds": [
    "2026-11-23 14:00:00+00",
    "2026-11-23 13:59:59+00",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59+00",
  ],
  "timestamps in milliseconds": [
    "2026-11-23 14:00:00.123+00",
    "2026-11-23 14:00:00.5+00",
    "2026-11-23 14:00:01+00",
    "1969-12-31 23:59:59.999+00",
  ],
  "timestamps in microseconds": ["2026-11-23 14:00:00.123456+00", "2026-11-23 14:00:00.1+00", "1969-12-31 23:59:59.999999+00"],
  "timestamps that are text": [
    "2026-11-23 14:00:00.10+00",
    "infinity",
    "0044-03-15 12:00:00+00 BC",
    "10000-01-01 00:00:00+00",
    "2026-11-23 14:00:00+01",
  ],
  dates: ["2026-11-23", "2024-02-29", "0001-01-01", "9999-12-31", "1970-01-01"],
  "dates that are text": ["2026-02-29", "2026-11-23"],
  text: ["a", "", "Küche", "日本語", "𝄞", "line\nfeed", "nul\u0000"],
  "text with nulls": ["x", null, "y", null],
};

const change: Change = {
  table: "reading",
  op: "insert",
  columns: ["tenant_id", "id", "event_id", "value", "note", "occurred_at", "day"],
  values: [
    ["acme", "acme", "acme"],
    [uuid(1), uuid(2), uuid(3)],
    [uuid(1), uuid(2), uuid(3)],
    ["21.50", null, "-3.25"],
    ["Küche", "", "日本語"],
    ["2026-11-23 14:00:00.123+00", "2026-11-23 14:00:01+00", "infinity"],
    ["2026-11-23", "0001-01-01", "9999-12-31"],
  ],
  rowCount: 3,
};
const deletion: Change = {
  table: "reading",
  op: "delete",
  columns: ["tenant_id", "id"],
  values: [["acme"], [uuid(1)]],
  rowCount: 1,
};
const update: Change = {
  table: "barn",
  op: "update",
  columns: ["tenant_id", "id", "name", "$changed"],
  values: [["acme"], [uuid(4)], ["North"], ["name"]],
  rowCount: 1,
};
const eviction: Change = {
  table: "barn",
  op: "evict",
  columns: ["tenant_id", "id", "farm_id"],
  values: [["acme"], [uuid(4)], [uuid(6)]],
  rowCount: 1,
};

function commit(
  origin: string,
  seq: number,
  previousHash: Uint8Array,
  author: string | null,
  changes: readonly Change[],
): Commit {
  const stamp = 116_989_910_220_701_696n + BigInt(seq * 65_536 + 3);
  const header = {
    tenant: "acme",
    origin,
    seq,
    stamp,
    node: uuid(8),
    tier: "edge",
    author,
    catalogVersion: 3,
    previousHash,
    changes,
  };
  return { ...header, hash: commitHash(header) };
}

const first = commit(uuid(9), 1, new Uint8Array(32), null, [change, deletion, change]);
const second = commit(uuid(9), 2, first.hash, "Somchai", [update, eviction]);
const other = commit(uuid(12), 7, bytes(32, 3), null, [deletion]);
const third = commit(uuid(9), 3, second.hash, null, []);

export const sampleCommits: readonly Commit[] = [first, second, other, third];

const partSlice = { tenant: "acme", incarnation: uuid(5), after: 3, upTo: 4, head: 40 };
const digestsOf = (changes: readonly Change[]): readonly Uint8Array[] => changes.map((item) => changeDigest(item));
const beginning = digestsOf(first.changes.slice(0, 2));
const begun = partDigest(first.hash, beginning);
const rest = digestsOf(first.changes.slice(2));

/** The first commit in two parts: what each digest is made of. */
export const sampleParts = [
  { previous: first.hash, digests: beginning, digest: begun },
  { previous: begun, digests: rest, digest: partDigest(begun, rest) },
] as const;

const cursor = { tenant: "acme", incarnation: uuid(5), position: 3 };

/** A change as it stands in a comparison: the teller's log has each of its rows. */
const withKept = (told: Change): Change => ({
  ...told,
  columns: [...told.columns, "$kept"],
  values: [...told.values, Array.from({ length: told.rowCount }, () => "*")],
});

export const sampleFrames: Readonly<Record<string, Frame>> = {
  hello: {
    type: "hello",
    protocols: [1],
    application: "farm",
    catalogVersion: 3,
    catalogHash: bytes(32),
    tenant: "acme",
    node: uuid(8),
    tier: "edge",
    nonce: bytes(32, 7),
    extensions: [],
  },
  welcome: {
    type: "welcome",
    protocol: 1,
    node: uuid(7),
    tier: "cloud",
    catalogVersion: 3,
    catalogHash: bytes(32),
    nonce: bytes(32, 9),
    signature: bytes(64),
    extensions: [],
  },
  prove: {
    type: "prove",
    signature: bytes(64, 1),
    nowMs: 1_795_442_400_000,
    heads: [{ tenant: "acme", incarnation: uuid(9), position: 4, seq: 3, stamp: 116_989_910_220_898_307n }],
    received: [cursor],
    staged: [{ tenant: "acme", incarnation: uuid(5), position: 4, parts: 1, digest: sampleParts[0].digest }],
    credit: 4_194_304,
  },
  ready: {
    type: "ready",
    grant: { tenant: "acme", tier: "edge", role: "edge", scopes: { farm: [uuid(20)], barn: [] } },
    nowMs: 1_795_442_400_001,
    top: true,
    heads: [{ tenant: "acme", incarnation: uuid(5), position: 12, seq: 0, stamp: 0n }],
    received: [],
    staged: [],
    credit: 4_194_304,
    pingMs: 20_000,
  },
  "prove of a copy with a mark and a horizon": {
    type: "prove",
    signature: bytes(64, 1),
    nowMs: 1_795_442_400_000,
    heads: [{ tenant: "acme", incarnation: uuid(10), position: 4, seq: 0, stamp: 116_989_910_220_898_307n }],
    received: [{ ...cursor, mark: bytes(64, 3) }],
    staged: [],
    credit: 4_194_304,
    copy: uuid(11),
    lives: [{ tenant: "acme", incarnation: uuid(9) }],
    horizons: [{ tenant: "acme", incarnation: uuid(10), position: 2, seq: 1, hash: bytes(32, 4) }],
  },
  "ready of a parent that was set back": {
    type: "ready",
    grant: { tenant: "acme", tier: "edge", role: "edge", scopes: {} },
    nowMs: 1_795_442_400_001,
    top: true,
    heads: [{ tenant: "acme", incarnation: uuid(6), position: 12, seq: 0, stamp: 0n }],
    received: [],
    staged: [],
    credit: 4_194_304,
    pingMs: 20_000,
    chains: [{ tenant: "acme", incarnation: uuid(9), seq: 3, hash: bytes(32, 5) }],
    lives: [{ tenant: "acme", incarnation: uuid(5), position: 12 }],
    offers: ["acme"],
  },
  "commits, none, with a mark": {
    type: "commits",
    slice: { tenant: "acme", incarnation: uuid(6), after: 12, upTo: 12, head: 12, commits: [], mark: bytes(64, 6) },
  },
  "commits of two origins": {
    type: "commits",
    slice: { tenant: "acme", incarnation: uuid(5), after: 2, upTo: 9, head: 40, commits: sampleCommits },
  },
  "commits, none": {
    type: "commits",
    slice: { tenant: "acme", incarnation: uuid(5), after: 9, upTo: 12, head: 40, commits: [] },
  },
  "part, not the last": {
    type: "part",
    slice: { ...partSlice, commits: [{ ...first, changes: first.changes.slice(0, 2) }] },
    index: 0,
    last: false,
    digest: sampleParts[0].digest,
  },
  "part, the last": {
    type: "part",
    slice: { ...partSlice, commits: [{ ...first, changes: first.changes.slice(2) }] },
    index: 1,
    last: true,
    digest: sampleParts[1].digest,
  },
  "ack with outcomes": {
    type: "ack",
    tenant: "acme",
    incarnation: uuid(9),
    position: 9,
    level: "D2",
    top: true,
    outcomes: [
      { origin: uuid(9), seq: 1, outcome: "refused", code: "refused-rule", truth: [deletion, change] },
      { origin: uuid(9), seq: 2, outcome: "merged", code: null, truth: [] },
    ],
  },
  "ack without outcomes": {
    type: "ack",
    tenant: "acme",
    incarnation: uuid(9),
    position: 9,
    level: "D1",
    top: false,
    outcomes: [],
  },
  reject: {
    type: "reject",
    tenant: "acme",
    position: 2,
    code: "sequence-gap",
    details: { expected: 2, after: 3, ratio: 0.5, why: "gap", none: null, yes: true },
  },
  credit: { type: "credit", bytes: 65_536 },
  settled: { type: "settled", tenant: "acme", origins: [{ origin: uuid(9), seq: 3 }] },
  "snapshot from the start": { type: "snapshot", tenant: "acme", cursor: null, tables: null },
  "snapshot resumed": {
    type: "snapshot",
    tenant: "acme",
    cursor: { tableIndex: 2, afterKey: [uuid(1), "k"] },
    tables: ["barns", "silos"],
  },
  "page with stamps": {
    type: "page",
    at: cursor,
    chunk: { tenant: "acme", change, stamps: ['{"note":["1","n"]}', null, null], next: { tableIndex: 1, afterKey: null } },
  },
  "page without stamps, the last": { type: "page", at: cursor, chunk: { tenant: "acme", change, stamps: null, next: null } },
  snapshot_done: { type: "snapshot_done", at: cursor },
  "compare, by age": {
    type: "compare",
    id: 1,
    question: {
      tenant: "acme",
      table: "reading",
      kept: { from: "2026-11-01 10:00:00+00" },
      ranges: [
        { after: null, to: [uuid(1)], rows: 10_000, digest: bytes(16) },
        { after: [uuid(1)], to: null, rows: 7, digest: bytes(16, 3) },
      ],
    },
  },
  "compare, everything": {
    type: "compare",
    id: 2,
    question: {
      tenant: "acme",
      table: "reading",
      kept: null,
      ranges: [{ after: null, to: null, rows: 0, digest: new Uint8Array(16) }],
    },
  },
  compared: { type: "compared", id: 1, answer: { differing: [1] } },
  compare_rows: {
    type: "compare_rows",
    id: 3,
    question: {
      tenant: "acme",
      table: "reading",
      kept: { values: ["41", "42"] },
      range: { after: [uuid(1)], to: null },
      received: 40,
      keys: [uuid(2), uuid(3)],
      digests: bytes(32, 9),
    },
  },
  rows_compared: {
    type: "rows_compared",
    id: 3,
    answer: { received: 12, left: 0, rows: [withKept(change), withKept(deletion)], healed: 1 },
  },
  repair: { type: "repair", id: 4, request: { tenant: "acme", received: 40, rows: [withKept(change)] } },
  repaired: { type: "repaired", id: 4, answer: { healed: 3, refused: 0 } },
  ping: { type: "ping", nowMs: 1_795_442_400_000 },
  pong: { type: "pong", echoMs: 1_795_442_400_000, nowMs: 1_795_442_400_050 },
  drain: { type: "drain", afterMs: 500, url: null },
  error: { type: "error", code: "frame-invalid", message: "A frame is not well formed.", details: { path: "slice" } },
};

/** A page whose only column is `values`. */
export const columnPage = (values: readonly (string | null)[]): Frame => ({
  type: "page",
  at: cursor,
  chunk: {
    tenant: "acme",
    change: { table: "t", op: "insert", columns: ["c"], values: [values], rowCount: values.length },
    stamps: null,
    next: null,
  },
});

/** Values of rows as texts, in the order of their columns' names: ordinary ones, and some whose texts a careless join would take for each other. */
export const sampleRows: readonly (readonly (string | null)[])[] = [
  ["b-1", "2026-11-23 14:00:00.123+00", "21.50", "true", null],
  ["", null, "0", "Küche 日本語"],
  ["a\u001F", "b"],
  ["a", "\u001Fb"],
  ["a\u001F\u001Eb"],
  ["a", "b"],
];
