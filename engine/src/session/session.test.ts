import { beforeEach, describe, expect, it } from "vitest";
import type { Frame } from "../protocol/frame.ts";
import { sampleCommit } from "../protocol/sample-frames.ts";
import type { ApplyResult, LogHead, StagedCommit } from "../replica/replica-storage.ts";
import { childSession, stepChild } from "./child-session.ts";
import type { LocalSide } from "./local-side.ts";
import { parentSession, stepParent } from "./parent-session.ts";
import { proofBytes } from "./proof.ts";
import type { SessionEffect, Step } from "./session-effect.ts";
import type { Positions, ReplicationEvent, SessionEvent } from "./session-event.ts";
import { defaultSessionLimits } from "./session-limits.ts";

const shared = "everyone";
const tenant = "t1";
const uuid = (digit: string): string => `${digit.repeat(8)}-0000-7000-8000-000000000000`;
const local = (tier: string): LocalSide => ({
  node: uuid(tier === "edge" ? "e" : "c"),
  tier,
  application: "test",
  catalogVersion: 3,
  catalogVersionOldest: 2,
  catalogHash: new Uint8Array(32),
  sharedTenant: shared,
  level: "D2",
  top: tier === "cloud",
  limits: { ...defaultSessionLimits, windowBytes: 1_000, queuedFramesMax: 4, rejectsMax: 3 },
  frameBytesMax: 500,
});
const head = (of: string, position: number, incarnation = uuid("1")): LogHead => ({
  tenant: of,
  incarnation,
  position,
  seq: position,
  stamp: 0n,
});
const nowhere: Positions = { heads: [], received: [], acknowledged: [], unfinished: [], granted: null, staged: [] };
const grant = { tenant, tier: "edge", role: "crew", scopes: {} };
const signature = new Uint8Array(64);
const nonce = new Uint8Array(32);

/** One side of a session, stepped by hand. */
class Side<State> {
  state: State;
  nowMs = 0;
  effects: readonly SessionEffect[] = [];
  readonly #step: (state: State, event: SessionEvent, at: { nowMs: number; steadyMs: number }) => Step<State>;

  constructor(initial: State, step: Side<State>["at"]) {
    this.state = initial;
    this.#step = step;
  }

  declare readonly at: (state: State, event: SessionEvent, at: { nowMs: number; steadyMs: number }) => Step<State>;

  do(event: SessionEvent): readonly SessionEffect[] {
    const { state, effects } = this.#step(this.state, event, { nowMs: 1_000_000 + this.nowMs, steadyMs: this.nowMs });
    this.state = state;
    this.effects = effects;
    return effects;
  }

  frame(frame: Frame, bytes = 10): readonly SessionEffect[] {
    return this.do({ type: "frame", frame, bytes });
  }

  work(work: ReplicationEvent): readonly SessionEffect[] {
    return this.do({ type: "work", work });
  }

  sent<Type extends Frame["type"]>(type: Type): readonly Extract<Frame, { type: Type }>[] {
    return this.effects.flatMap((effect) =>
      effect.type === "send" && effect.frame.type === type ? [effect.frame as Extract<Frame, { type: Type }>] : [],
    );
  }
}

function openParent(
  received: Positions["received"] = [],
  log: readonly LogHead[] = [head(shared, 0), head(tenant, 0, uuid("2"))],
) {
  const side = new Side(parentSession(local("cloud")), stepParent);
  const child = local("edge");
  side.do({ type: "opened", nonce });
  side.frame({
    type: "hello",
    protocols: [1],
    application: "test",
    catalogVersion: 3,
    catalogHash: child.catalogHash,
    tenant,
    node: child.node,
    tier: "edge",
    nonce,
    extensions: [],
  });
  side.do({ type: "answer", answer: { type: "welcome-signed", signature } });
  side.frame({
    type: "prove",
    signature,
    nowMs: 1_000_000,
    heads: [head(tenant, 50)],
    received: log.map(({ tenant: of, incarnation, position }) => ({ tenant: of, incarnation, position })),
    staged: [],
    credit: 1_000,
  });
  side.do({
    type: "answer",
    answer: {
      type: "child-checked",
      node: { node: child.node, grant },
      positions: { ...nowhere, heads: log, received },
      unready: false,
    },
  });
  // The probe for outcomes that the child may have missed.
  side.work({ type: "applied", tenant, result: result(received[0]?.position ?? 0) });
  return side;
}

function openChild(
  acknowledged: number,
  taken: number,
  ahead?: { readonly received: number; readonly head: number },
  staged: readonly StagedCommit[] = [],
) {
  const filling = ahead === undefined ? new Set<string>() : new Set([tenant]);
  const side = new Side(childSession({ local: local("edge"), tenant, parentNode: uuid("c"), filling }), stepChild);
  const parent = local("cloud");
  side.do({ type: "opened", nonce });
  side.frame({
    type: "welcome",
    protocol: 1,
    node: parent.node,
    tier: "cloud",
    catalogVersion: 3,
    catalogHash: parent.catalogHash,
    nonce,
    signature,
    extensions: [],
  });
  const cursor = (position: number) => ({ tenant, incarnation: uuid("1"), position });
  const received = ahead === undefined ? [] : [cursor(ahead.received)];
  const positions = {
    heads: [head(tenant, 100)],
    received,
    acknowledged: [cursor(acknowledged)],
    unfinished: [],
    granted: null,
    staged: [],
  };
  side.do({ type: "answer", answer: { type: "parent-checked", valid: true, signature, positions } });
  side.frame({
    type: "ready",
    grant,
    nowMs: 1_000_000,
    top: true,
    heads: ahead === undefined ? [] : [head(tenant, ahead.head)],
    received: [cursor(taken)],
    staged,
    credit: 1_000,
    pingMs: 20_000,
  });
  return side;
}

const slice = (after: number, upTo: number, of = tenant): Frame => ({
  type: "commits",
  slice: { tenant: of, incarnation: uuid("1"), after, upTo, head: upTo, commits: [] },
});
const result = (position: number): ApplyResult => ({
  position,
  outcomes: [],
  rowsApplied: 0,
  commitsApplied: 0,
  commitsDuplicate: 0,
});
const kinds = (effects: readonly SessionEffect[]): readonly string[] =>
  effects.map((effect) => (effect.type === "send" ? effect.frame.type : effect.type));
const endCode = (effects: readonly SessionEffect[]): string | null =>
  effects.find((effect) => effect.type === "ended")?.code ?? null;

it("signs its role, both nonces and both nodes", () => {
  const bytes = proofBytes("child", {
    childNonce: new Uint8Array([1]),
    parentNonce: new Uint8Array([2]),
    child: "c",
    parent: "p",
  });
  expect([...bytes]).toEqual([
    ...new TextEncoder().encode("hayloft/1 child"),
    1,
    2,
    ..."cp".split("").map((letter) => letter.charCodeAt(0)),
  ]);
});

it("F-A9 a child whose link broke before the tail of its snapshot says so until a later session has passed it", () => {
  const filled = (side: ReturnType<typeof openChild>): readonly boolean[] =>
    side.effects.flatMap((effect) => (effect.type === "filling" ? [effect.filling] : []));
  expect(filled(openChild(0, 0, { received: 20, head: 20 }))).toEqual([false]);
  const behind = openChild(0, 0, { received: 10, head: 20 });
  expect(filled(behind)).toEqual([]);
  behind.frame(slice(10, 15), 10);
  behind.work({ type: "applied", tenant, result: result(15) });
  expect(filled(behind)).toEqual([]);
  behind.frame(slice(15, 20), 10);
  behind.work({ type: "applied", tenant, result: result(20) });
  expect(filled(behind)).toEqual([false]);
});

it("applies the pages of a snapshot that wait in one go, up to the rows of one apply, and gives their credit back then", () => {
  const child = openChild(0, 0, { received: 0, head: 20 });
  child.frame({ type: "reject", tenant, position: 0, code: "behind-horizon", details: {} });
  const page = (table: string, rowCount: number): Frame => ({
    type: "page",
    at: { tenant, incarnation: uuid("1"), position: 20 },
    chunk: {
      tenant,
      change: { table, op: "insert", columns: ["id"], values: [Array.from({ length: rowCount }, String)], rowCount },
      stamps: null,
      next: { tableIndex: 1, afterKey: null },
    },
  });
  const tables = (): readonly string[] =>
    child.effects.flatMap((effect) => (effect.type === "apply-pages" ? effect.pages.map(({ chunk }) => chunk.change.table) : []));
  child.frame(page("a", 0), 100);
  expect(tables()).toEqual(["a"]);
  for (const [table, rows] of [
    ["b", 6_000],
    ["c", 0],
    ["d", 3_000],
    ["e", 2_000],
  ] as const) {
    child.frame(page(table, rows), 100);
    expect(tables()).toEqual([]);
  }
  child.work({ type: "page-applied", tenant });
  expect(child.sent("credit")[0]?.bytes).toBe(100);
  expect(tables()).toEqual(["b", "c", "d"]);
  child.work({ type: "page-applied", tenant });
  expect(child.sent("credit")[0]?.bytes).toBe(300);
  expect(tables()).toEqual(["e"]);
  const foreign = { ...page("f", 0), at: { tenant: shared, incarnation: uuid("1"), position: 20 } };
  expect(endCode(child.frame(foreign as Frame))).toBe("frame-invalid");
});

describe("receiving", () => {
  let parent = openParent();
  beforeEach(() => {
    parent = openParent();
  });

  it("acknowledges only what was applied, gives the credit back then, and joins what waited", () => {
    parent.frame(slice(0, 5), 100);
    expect(kinds(parent.effects)).toEqual(["apply"]);
    parent.frame(slice(5, 7), 100);
    parent.frame(slice(7, 9), 100);
    expect(kinds(parent.effects)).toEqual([]);
    parent.work({ type: "applied", tenant, result: result(5) });
    expect(kinds(parent.effects)).toEqual(["ack", "credit", "apply"]);
    expect(parent.sent("ack")[0]).toMatchObject({ position: 5, level: "D2", top: true });
    expect(parent.effects.at(-1)).toMatchObject({ request: { slice: { after: 5, upTo: 9 }, from: "child", grant } });
    parent.work({ type: "applied", tenant, result: result(9) });
    expect(parent.sent("credit")[0]?.bytes).toBe(200);
  });

  it("holds the acknowledged position back until every outcome is told, and asks for the rest at once", () => {
    parent.frame(slice(0, 5), 10);
    parent.frame(slice(5, 9), 10);
    parent.work({ type: "applied", tenant, result: { ...result(5), untold: true } });
    expect(parent.sent("ack").map(({ position }) => position)).toEqual([0]);
    expect(parent.effects.at(-1)).toMatchObject({ type: "apply", request: { slice: { after: 5, upTo: 5, commits: [] } } });
    parent.work({ type: "applied", tenant, result: { ...result(5), untold: true } });
    expect(parent.sent("ack").map(({ position }) => position)).toEqual([0]);
    parent.work({ type: "applied", tenant, result: result(5) });
    expect(parent.sent("ack").map(({ position }) => position)).toEqual([5]);
    expect(parent.effects.at(-1)).toMatchObject({ request: { slice: { after: 5, upTo: 9 } } });
    parent.work({ type: "applied", tenant, result: result(9) });
    expect(parent.sent("ack").map(({ position }) => position)).toEqual([9]);
  });

  it("F-A4 acknowledges a duplicate up to its own end, as only its outcomes are in the answer", () => {
    const ahead = openParent([{ tenant, incarnation: uuid("1"), position: 20 }]);
    ahead.frame(slice(0, 7), 10);
    ahead.work({ type: "applied", tenant, result: result(20) });
    expect(ahead.sent("ack").at(-1)?.position).toBe(7);
  });

  it("F-B2 rejects a gap once, drops what follows, and goes on where it stopped", () => {
    parent.frame(slice(0, 5), 10);
    parent.frame(slice(7, 9), 10);
    expect(parent.sent("reject")[0]).toMatchObject({ position: 5, code: "sequence-gap" });
    parent.frame(slice(9, 12), 10);
    expect(kinds(parent.effects)).toEqual(["credit"]);
    parent.frame(slice(5, 12), 10);
    parent.work({ type: "applied", tenant, result: result(5) });
    expect(parent.effects.at(-1)).toMatchObject({ request: { slice: { after: 5, upTo: 12 } } });
  });

  it("ends a session that sends more than its credit, or more frames than may wait", () => {
    parent.frame(slice(0, 1), 900);
    parent.frame(slice(1, 2), 600);
    expect(endCode(parent.frame(slice(2, 3), 600))).toBe("limit-reached");
    const many = openParent();
    for (let position = 0; position < 5; position += 1) many.frame(slice(position, position + 1), 0);
    expect(endCode(many.frame(slice(5, 6), 0))).toBe("limit-reached");
  });

  it("takes no log that is not the child's, and no acknowledgement of what was never sent", () => {
    expect(endCode(openParent().frame(slice(0, 1, shared)))).toBe("frame-unexpected");
    const ack: Frame = { type: "ack", tenant, incarnation: uuid("2"), position: 9, level: "D2", top: false, outcomes: [] };
    expect(endCode(openParent().frame(ack))).toBe("frame-invalid");
  });

  it("gives up on a log that is rejected again and again", () => {
    parent.frame(slice(0, 1));
    for (let count = 0; count < 3; count += 1) {
      parent.work({ type: "apply-failed", tenant, code: "content-hash", details: {} });
      expect(parent.sent("reject")[0]?.code).toBe("content-hash");
      parent.frame(slice(0, 1));
    }
    expect(endCode(parent.work({ type: "apply-failed", tenant, code: "content-hash", details: {} }))).toBe("content-hash");
  });
});

describe("sending", () => {
  it("reads from the last acknowledgement that was recorded, so that lost outcomes are told again", () => {
    expect(openChild(30, 60).effects).toContainEqual(
      expect.objectContaining({ type: "read-log", request: expect.objectContaining({ after: 30, towards: "up" }) }),
    );
    expect(openChild(30, 10).effects).toContainEqual(
      expect.objectContaining({ request: expect.objectContaining({ after: 10 }) }),
    );
  });

  it("does not go on with a parent that has more than was ever written here", () => {
    expect(endCode(openChild(30, 101).effects)).toBe("history-diverged");
  });

  it("sends while there is credit and the link is not full, and not a byte more", () => {
    const child = openChild(0, 0);
    const message = (size: number) => new Uint8Array(size);
    child.work({
      type: "slice-read",
      tenant,
      generation: 0,
      upTo: 40,
      head: 100,
      messages: [message(600), message(600), message(600)],
      large: null,
    });
    expect(kinds(child.effects)).toEqual(["transmit", "transmit"]);
    expect(kinds(child.frame({ type: "credit", bytes: 100 }))).toEqual([]);
    child.work({ type: "pressure", high: true });
    expect(kinds(child.frame({ type: "credit", bytes: 5_000 }))).toEqual([]);
    expect(kinds(child.work({ type: "pressure", high: false }))).toEqual(["transmit", "read-log"]);
  });

  it("F-C3 stamps again only what the parent has not taken: what it took unheard is sent singly first", () => {
    const child = openChild(10, 12);
    child.work({ type: "slice-read", tenant, generation: 0, upTo: 20, head: 100, messages: [new Uint8Array(10)], large: null });
    child.frame({ type: "reject", tenant, position: 12, code: "clock-ahead", details: {} });
    expect(child.effects).toMatchObject([{ type: "read-log", request: { after: 10, rowsMax: 1 } }]);
    child.work({ type: "slice-read", tenant, generation: 1, upTo: 12, head: 100, messages: [new Uint8Array(10)], large: null });
    const ack: Frame = { type: "ack", tenant, incarnation: uuid("1"), position: 12, level: "D3", top: true, outcomes: [] };
    expect(kinds(child.frame(ack))).toContain("record-ack");
    child.frame({ type: "reject", tenant, position: 12, code: "clock-ahead", details: {} });
    child.work({
      type: "ack-recorded",
      ack: { peer: uuid("c"), tenant, incarnation: uuid("1"), position: 12, top: true, outcomes: [] },
    });
    child.work({ type: "slice-read", tenant, generation: 2, upTo: 13, head: 100, messages: [new Uint8Array(10)], large: null });
    child.frame({ type: "reject", tenant, position: 12, code: "clock-ahead", details: {} });
    expect(kinds(child.effects)).toContain("restamp");
    expect(child.work({ type: "restamped", tenant })).toMatchObject([{ type: "read-log", request: { after: 12 } }]);
  });

  it("records acknowledgements one after the other and loses no outcome between them", () => {
    const child = openChild(0, 0);
    child.work({ type: "slice-read", tenant, generation: 0, upTo: 50, head: 100, messages: [new Uint8Array(10)], large: null });
    const outcome = (seq: number) => ({ origin: uuid("1"), seq, outcome: "merged" as const, code: null, truth: [] });
    const ack = (position: number): Frame => ({
      type: "ack",
      tenant,
      incarnation: uuid("1"),
      position,
      level: "D3",
      top: true,
      outcomes: [outcome(position)],
    });
    child.frame(ack(10));
    for (const position of [20, 30]) expect(kinds(child.frame(ack(position)))).not.toContain("record-ack");
    const recorded = { peer: uuid("c"), tenant, incarnation: uuid("1"), position: 10, top: true, outcomes: [] };
    child.work({ type: "ack-recorded", ack: recorded });
    expect(child.effects[0]).toMatchObject({ type: "record-ack", ack: { position: 30, outcomes: [outcome(20), outcome(30)] } });
  });
});

describe("time", () => {
  it("F-B5 F-B13 pings a quiet peer, and ends the session of one that stays silent", () => {
    const parent = openParent();
    parent.nowMs = 19_000;
    expect(kinds(parent.do({ type: "tick" }))).toEqual([]);
    parent.nowMs = 20_000;
    expect(kinds(parent.do({ type: "tick" }))).toEqual(["ping"]);
    parent.nowMs = 59_000;
    parent.do({ type: "tick" });
    parent.nowMs = 60_000;
    expect(endCode(parent.do({ type: "tick" }))).toBe("session-timeout");
  });

  it("measures the skew between the two clocks", () => {
    const parent = openParent();
    parent.nowMs = 100;
    parent.frame({ type: "pong", echoMs: 1_000_000, nowMs: 1_005_050 });
    expect(parent.effects).toContainEqual({ type: "skew", skewMs: 5_000 });
  });

  it("tells a position in which nothing was for the peer, but not at once", () => {
    const child = openChild(0, 0);
    child.work({ type: "slice-read", tenant, generation: 0, upTo: 100, head: 100, messages: [], large: null });
    expect(kinds(child.effects)).toEqual([]);
    child.nowMs = 900;
    expect(kinds(child.do({ type: "tick" }))).toEqual([]);
    child.nowMs = 1_100;
    expect(child.do({ type: "tick" })).toMatchObject([{ type: "read-log", sendEmpty: true, chainAfter: 0 }]);
  });
});

it("every phase takes every event without a throw, and a closed session says nothing more", () => {
  const events: readonly SessionEvent[] = [
    { type: "opened", nonce },
    slice(0, 1).type === "commits" ? { type: "frame", frame: slice(0, 1), bytes: 1 } : { type: "tick" },
    { type: "frame-refused", code: "frame-invalid", details: {} },
    { type: "answer", answer: { type: "welcome-signed", signature } },
    { type: "work", work: { type: "restamped", tenant } },
    { type: "failed", code: "unavailable", details: {} },
    { type: "tick" },
    { type: "stop", code: "auth-revoked", details: {} },
    { type: "drain", afterMs: 5 },
    { type: "closed" },
  ];
  for (const first of events) {
    for (const second of events) {
      const parent = new Side(parentSession(local("cloud")), stepParent);
      const child = new Side(childSession({ local: local("edge"), tenant, parentNode: uuid("c") }), stepChild);
      for (const event of [first, second]) {
        parent.do(event);
        child.do(event);
      }
      for (const side of [parent, child]) if (side.state.phase === "closed") expect(side.do(second)).toEqual([]);
    }
  }
});

describe("commits in parts", () => {
  const digest = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
  const part = (index: number, last = false, upTo = 11): Frame => ({
    type: "part",
    slice: {
      tenant,
      incarnation: uuid("1"),
      after: 10,
      upTo,
      head: 20,
      commits: [{ ...sampleCommit(1, digest(0), []), tenant }],
    },
    index,
    last,
    digest: digest(index),
  });
  const read = (index: number, last: boolean, message: Uint8Array | null = new Uint8Array(10)): ReplicationEvent => ({
    type: "part-read",
    tenant,
    generation: 0,
    head: 100,
    message,
    place: { ordinal: index + 1, digest: digest(index) },
    last,
  });
  const large = { type: "slice-read", tenant, generation: 0, upTo: 10, head: 100, messages: [], large: 11 } as const;
  const reads = (effects: readonly SessionEffect[]): readonly (readonly [number, boolean])[] =>
    effects.flatMap((effect) => (effect.type === "read-part" ? [[effect.index, effect.skip] as const] : []));

  it("stores one part after another, gives its bytes back then, and acknowledges after the last", () => {
    const child = openChild(0, 0, { received: 10, head: 20 });
    expect(kinds(child.frame(part(0), 100))).toEqual(["apply-part"]);
    expect(kinds(child.frame(part(1, true), 100))).toEqual([]);
    expect(kinds(child.work({ type: "part-staged", tenant }))).toEqual(["credit", "apply-part"]);
    expect(kinds(child.work({ type: "applied", tenant, result: result(11) }))).toEqual(["ack", "credit"]);
    expect(child.sent("ack")[0]?.position).toBe(11);
  });

  it("F-B4 rejects a part whose predecessor did not come, and then takes none but part 0", () => {
    const child = openChild(0, 0, { received: 10, head: 20 });
    child.frame(part(0));
    child.work({ type: "part-staged", tenant });
    child.frame(part(2));
    expect(child.sent("reject")[0]).toMatchObject({ position: 10, code: "sequence-gap" });
    expect(kinds(child.frame(part(3)))).toEqual(["credit"]);
    expect(kinds(child.frame(part(0)))).toEqual(["apply-part"]);
  });

  it("reads the next part only when the one before is sent, and tells the position with the last", () => {
    const child = openChild(10, 10);
    expect(reads(child.work(large))).toEqual([[0, false]]);
    expect(reads(child.work(read(0, false)))).toEqual([[1, false]]);
    child.work({ type: "pressure", high: true });
    expect(kinds(child.work(read(1, false)))).toEqual([]);
    expect(reads(child.work({ type: "pressure", high: false }))).toEqual([[2, false]]);
    expect(kinds(child.work(read(2, true)))).toEqual(["transmit", "read-log"]);
    expect(
      endCode(child.frame({ type: "ack", tenant, incarnation: uuid("1"), position: 11, level: "D2", top: true, outcomes: [] })),
    ).toBeNull();
  });

  it("does not send again what the peer has of the commit, and all of it when that is of something else", () => {
    const staged = (parts: number, fill: number) => [
      { tenant, incarnation: uuid("1"), position: 11, parts, digest: digest(fill) },
    ];
    const resumed = openChild(10, 10, undefined, staged(2, 1));
    expect(reads(resumed.work(large))).toEqual([[0, true]]);
    expect(reads(resumed.work(read(0, false, null)))).toEqual([[1, true]]);
    expect(reads(resumed.work(read(1, false, null)))).toEqual([[2, false]]);
    const other = openChild(10, 10, undefined, staged(1, 7));
    expect(reads(other.work(large))).toEqual([[0, true]]);
    expect(reads(other.work(read(0, false, null)))).toEqual([[0, false]]);
  });

  it("a commit of which nothing is for the peer is no message, and its position is told after a while", () => {
    const child = openChild(10, 10);
    child.work(large);
    expect(kinds(child.work(read(0, true, null)))).toEqual(["read-log"]);
  });
});
