import { executionAsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { platform as browser } from "./browser-platform.ts";
import { platform as node } from "./node-platform.ts";
import type { Platform } from "./platform.ts";

const bytes = (value: Uint8Array): string => Buffer.from(value).toString("hex");

describe("the platforms", () => {
  it("hash, encode and sign alike", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (data, text, seed) => {
          expect(bytes(browser.sha256(data))).toBe(bytes(node.sha256(data)));
          expect(bytes(browser.sha256(text))).toBe(bytes(node.sha256(text)));
          expect(bytes(browser.utf8Bytes(text))).toBe(bytes(node.utf8Bytes(text)));
          expect(browser.utf8Text(browser.utf8Bytes(text))).toBe(node.utf8Text(node.utf8Bytes(text)));
          const [one, other] = [browser.keyPair(seed), node.keyPair(seed)];
          expect(bytes(one.publicKey)).toBe(bytes(other.publicKey));
          expect(bytes(one.sign(data))).toBe(bytes(other.sign(data)));
          expect(browser.verify(one.publicKey, data, other.sign(data))).toBe(true);
          expect(node.verify(one.publicKey, data, one.sign(data))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ["Node's", node, browser],
    ["the browser's", browser, node],
  ])("what %s deflates the other inflates", (_name, one: Platform, other: Platform) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 50 }), (data, times) => {
        const whole = Buffer.concat(Array.from({ length: times }, () => data));
        expect(bytes(other.inflate(one.deflate(whole), whole.length))).toBe(bytes(whole));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ["Node's", node],
    ["the browser's", browser],
  ])("F-B8 %s inflates nothing beyond the limit, and refuses what is cut or damaged", (_name, one: Platform) => {
    const bomb = node.deflate(new Uint8Array(64 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => one.inflate(bomb, 1_000_000)).toThrow();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    const whole = node.deflate(Buffer.from("hay ".repeat(1_000)));
    expect(() => one.inflate(whole.subarray(0, whole.length - 3), 4_000)).toThrow();
    expect(() => one.inflate(new Uint8Array([0xff, 0xff, 0xff]), 100)).toThrow();
    expect(() => one.utf8Text(new Uint8Array([0xc3, 0x28]))).toThrow();
    expect(one.verify(new Uint8Array(5), new Uint8Array(1), new Uint8Array(64))).toBe(false);
    expect(one.verify(new Uint8Array(32).fill(255), new Uint8Array(1), new Uint8Array(3))).toBe(false);
    expect(one.randomBytes(100_000)).toHaveLength(100_000);
  });

  it("only Node knows a call from inside a transaction", async () => {
    const guard = node.nestingGuard();
    expect(guard.inside).toBe(false);
    await guard.run(async () => {
      await Promise.resolve();
      expect(guard.inside).toBe(true);
    });
    expect(guard.inside).toBe(false);
    const open = browser.nestingGuard();
    await open.run(async () => await Promise.resolve(expect(open.inside).toBe(false)));
  });

  it("tells nested transactions of several databases apart, for as long as each is open", async () => {
    const [outer, inner, other] = [node.nestingGuard(), node.nestingGuard(), node.nestingGuard()];
    const seen = (): readonly boolean[] => [outer.inside, inner.inside, other.inside];
    const later: Promise<readonly boolean[]>[] = [];
    await outer.run(async () => {
      await inner.run(async () => {
        later.push(sleep(20).then(seen));
        await Promise.resolve();
        expect(seen()).toEqual([true, true, false]);
      });
      expect(seen()).toEqual([true, false, false]);
    });
    expect(await Promise.all(later)).toEqual([[false, false, false]]);
  });

  it("many databases leave nothing behind that each promise of the process would carry", async () => {
    const carried = async (): Promise<number> =>
      await node.nestingGuard().run(async () => {
        await sleep(1);
        return Object.getOwnPropertySymbols(executionAsyncResource()).length;
      });
    const first = await carried();
    for (let count = 0; count < 20; count += 1) await carried();
    expect(await carried()).toBe(first);
  });
});
