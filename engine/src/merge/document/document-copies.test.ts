import { beforeAll, describe, expect, it } from "vitest";
import { joinMemories, memoryWithout } from "../memory/memory.ts";
import { valueOfMemory } from "../memory/memory-rule.ts";
import { loadAutomerge } from "./automerge.ts";
import { documentRule } from "./document-rule.ts";
import { memoryOfEntries, SampleReplica, textOpOf } from "./sample-documents.ts";

beforeAll(loadAutomerge);

const rule = documentRule("text", 65_536);

/** Two replicas that hold the same text. */
function twoReplicas(): readonly [SampleReplica, SampleReplica] {
  const [top, child] = [new SampleReplica("top", rule), new SampleReplica("child", rule)];
  top.write(textOpOf(null, "fans ok, water ok, feed ok"), 1n, true);
  child.take(top.memory);
  return [top, child];
}

const edit = (replica: SampleReplica, from: string, to: string, stamp: bigint) =>
  replica.write(textOpOf(replica.value, (replica.value ?? "").replace(from, to)), stamp);

describe("document: commits that go, and replicas that are copies", () => {
  it("a refused edit goes away again, a later one at another place stays, and all agree", () => {
    const [top, child] = twoReplicas();
    const refused = edit(child, "fans ok", "fans broken", 2n);
    const kept = edit(child, "feed ok", "feed low", 3n);
    edit(top, "water ok", "water off", 4n);
    // The top refused the first and took the second; the child gets the true row.
    top.take(memoryOfEntries(kept));
    child.replace(memoryWithout(child.memory, refused));
    child.take(top.memory);
    expect(child.value).toBe("fans ok, water off, feed low");
    expect(top.value).toBe(child.value);
    // What comes after is not poisoned by what went.
    top.take(memoryOfEntries(edit(child, "fans ok", "fans new", 5n)));
    expect([top.value, child.value]).toEqual(["fans new, water off, feed low", "fans new, water off, feed low"]);
  });

  it("a refused edit that comes later after all is in the text again, wherever it arrives first", () => {
    const [top, child] = twoReplicas();
    const late = edit(child, "fans ok", "fans broken", 2n);
    const kept = edit(child, "feed ok", "feed low", 3n);
    const orders = [
      [late, kept],
      [kept, late],
    ].map((entries) =>
      entries.reduce((memory, entry) => joinMemories(memory, memoryOfEntries(entry), rule.joinStates), top.memory),
    );
    expect(orders.map((memory) => valueOfMemory(rule, memory))).toEqual(Array(2).fill("fans broken, water ok, feed low"));
  });

  it("a restored replica and a copy of one write under the same name, and nobody's words are lost", () => {
    const [top, child] = twoReplicas();
    const copy = new SampleReplica("child", rule);
    copy.take(child.memory);
    edit(child, "fans ok", "fans checked by Ann", 2n);
    edit(copy, "feed ok", "feed checked by Bo", 3n);
    // Restored: what it wrote under stamp 2 is not in it any more, and it goes on from before.
    const restored = new SampleReplica("child", rule);
    restored.take(memoryOfEntries(...top.memory.entries));
    edit(restored, "water ok", "water checked by Cy", 5n);
    for (const replica of [child, copy, restored]) top.take(replica.memory);
    for (const replica of [child, copy, restored]) replica.take(top.memory);
    const text = "fans checked by Ann, water checked by Cy, feed checked by Bo";
    expect([top, child, copy, restored].map(({ value }) => value)).toEqual(Array(4).fill(text));
  });

  it("two edits under one stamp, as only a forger makes them, end equal in both orders and stop nobody", () => {
    const [top, child] = twoReplicas();
    const one = edit(child, "fans ok", "fans A", 2n);
    const other = { ...one, op: textOpOf("fans ok, water ok, feed ok", "fans B, water ok, feed ok") };
    const join = (first: typeof one, second: typeof one) =>
      valueOfMemory(
        rule,
        [first, second].reduce((memory, entry) => joinMemories(memory, memoryOfEntries(entry), rule.joinStates), top.memory),
      );
    expect(join(one, other)).toBe(join(other, one));
  });

  it("an edit that is stamped again before it leaves gives the same text under its new stamp", () => {
    const [top, child] = twoReplicas();
    const ahead = edit(child, "fans ok", "fans on", 1_000_000n);
    const again = edit(child, "fans on", "fans on full", 1_000_001n);
    const renamed = [ahead, again].map((entry, index) => ({ ...entry, stamp: BigInt(2 + index) }));
    child.replace(memoryOfEntries(...top.memory.entries, ...renamed));
    top.take(memoryOfEntries(...renamed));
    expect([top.value, child.value]).toEqual(Array(2).fill("fans on full, water ok, feed ok"));
  });
});
