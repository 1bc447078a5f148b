import { describe, expect, it } from "vitest";
import type { Frame } from "../protocol/frame.ts";
import { sampleCommit } from "../protocol/sample-frames.ts";
import type { SessionEffect } from "./session-effect.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { tenant, uuid, openChild, result, kinds, endCode } from "./test-side.ts";

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
