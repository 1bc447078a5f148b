import { beforeEach, describe, expect, it } from "vitest";
import type { Frame } from "../protocol/frame.ts";
import type { AckRecord } from "../replica/replica-storage.ts";
import { childSession, stepChild } from "./child-session.ts";
import { parentSession, stepParent } from "./parent-session.ts";
import { proofBytes } from "./proof.ts";
import type { SessionEvent } from "./session-event.ts";
import {
  shared,
  tenant,
  uuid,
  local,
  grant,
  signature,
  nonce,
  Side,
  openParent,
  openChild,
  slice,
  result,
  kinds,
  endCode,
} from "./test-side.ts";

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
  const goesOn = (): boolean | undefined => child.effects.find((effect) => effect.type === "apply-pages")?.goesOn;
  child.frame(page("a", 0), 100);
  expect(tables()).toEqual(["a"]);
  expect(goesOn()).toBe(false);
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
  expect(goesOn()).toBe(true);
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

  it("F-E5 what waited is joined under the mark of its end, which alone proves that end to a parent that was set back", () => {
    const marked = (after: number, upTo: number, mark?: Uint8Array): Frame => {
      const frame = slice(after, upTo);
      if (frame.type !== "commits") throw new Error("a slice travels as commits");
      return { ...frame, slice: { ...frame.slice, ...(mark && { mark }) } };
    };
    const [first, end] = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)];
    const child = openChild(0, 0, { received: 0, head: 9 });
    child.frame(marked(0, 5, first), 100);
    child.frame(marked(5, 7, first), 100);
    child.frame(marked(7, 9, end), 100);
    child.work({ type: "applied", tenant, result: result(5) });
    expect(child.effects.at(-1)).toMatchObject({ request: { slice: { after: 5, upTo: 9, mark: end } } });
    child.frame(marked(9, 10, first), 100);
    child.frame(marked(10, 11), 100);
    child.work({ type: "applied", tenant, result: result(9) });
    const last = child.effects.at(-1);
    expect(last).toMatchObject({ request: { slice: { after: 9, upTo: 11 } } });
    expect(last).not.toHaveProperty("request.slice.mark");
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

  it("F-C6 F-C7 acknowledges nothing that only another session of the same name has brought, however far the storage is", () => {
    // A slice of a copy was applied after the handshake, and moved the cursor that both have.
    const told = { origin: uuid("9"), seq: 1, outcome: "merged", code: null, truth: [] } as const;
    for (let round = 0; round < 2; round += 1) {
      parent.work({ type: "outcomes-due", tenant });
      expect(parent.effects.at(-1)).toMatchObject({ type: "apply", request: { slice: { after: 0, upTo: 0 } } });
      parent.work({ type: "applied", tenant, result: { ...result(9), outcomes: [told] } });
      expect(parent.sent("ack")).toMatchObject([{ position: 0, outcomes: [told] }]);
    }
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

  it("durability D4: tells once what is safe at another site, and never more than it acknowledged", () => {
    const levels = (): readonly unknown[] => parent.sent("ack").map(({ level, position }) => [level, position]);
    parent.frame(slice(0, 5), 100);
    parent.work({ type: "applied", tenant, result: { ...result(5), safe: 3 } });
    expect(levels()).toEqual([
      ["D2", 5],
      ["D4", 3],
    ]);
    parent.work({ type: "outcomes-due", tenant });
    parent.work({ type: "applied", tenant, result: { ...result(5), safe: 3 } });
    expect(levels()).toEqual([]);
    parent.work({ type: "outcomes-due", tenant });
    parent.work({ type: "applied", tenant, result: { ...result(5), safe: 9 } });
    expect(levels()).toEqual([["D4", 5]]);
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

const cursorAt = (position: number) => ({ tenant, incarnation: uuid("1"), position });

describe("sending", () => {
  it("durability D4: an acknowledgement of less that is safer takes nothing back, alone and beside another", () => {
    const ack = (position: number, level: "D3" | "D4"): Frame => {
      const told = { tenant, incarnation: uuid("1"), position, top: true, outcomes: [] };
      return { type: "ack", level, ...told };
    };
    const recorded = (child: ReturnType<typeof openChild>): unknown =>
      child.effects.flatMap((effect) => (effect.type === "record-ack" ? [effect.ack] : []))[0];
    const child = openChild(60, 80);
    child.frame(ack(60, "D3"));
    const first = recorded(child);
    expect(first).toMatchObject({ position: 60, level: "D3" });
    expect(first).not.toHaveProperty("safe");
    child.frame(ack(40, "D4"));
    child.frame(ack(60, "D3"));
    child.frame(ack(50, "D4"));
    child.work({ type: "ack-recorded", ack: first as AckRecord });
    expect(recorded(child)).toMatchObject({ position: 60, level: "D3", safe: 50 });
  });

  it("reads from the last acknowledgement that was recorded, so that lost outcomes are told again", () => {
    expect(openChild(30, 60).effects).toContainEqual(
      expect.objectContaining({ type: "read-log", request: expect.objectContaining({ after: 30, towards: "up" }) }),
    );
    expect(openChild(30, 10).effects).toContainEqual(
      expect.objectContaining({ request: expect.objectContaining({ after: 10 }) }),
    );
  });

  it("sends nothing before the parent's view of the log was compared, and ends when this turns out to be a copy", () => {
    const { effects } = openChild(30, 101);
    expect(effects).toContainEqual(
      expect.objectContaining({ type: "settle-history", check: expect.objectContaining({ tenant, received: cursorAt(101) }) }),
    );
    expect(kinds(effects)).not.toContain("read-log");
    expect(endCode(effects)).toBe("history-diverged");
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
