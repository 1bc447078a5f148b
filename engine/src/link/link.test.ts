import { describe, expect, it } from "vitest";
import { defaultBackoff, fullJitterMs } from "./backoff.ts";
import { memoryLinks } from "./memory-link.ts";
import { wsDial } from "./ws/ws-link.ts";

describe("a dialler", () => {
  it.each(["ws://hub.example/sync", "http://localhost/", "nonsense", ""])("does not dial %s", (url) => {
    expect(() => wsDial({ url })).toThrow(/config-invalid/u);
  });

  it.each([
    { url: "wss://hub.example/sync" },
    { url: "ws://127.0.0.1:1/sync" },
    { url: "ws://localhost/" },
    { url: "ws://hub.example", insecure: true },
  ])("may dial $url", (options) => {
    expect(() => wsDial(options)).not.toThrow();
  });

  it("says that a parent is unavailable when nobody is there", async () => {
    await expect(wsDial({ url: "ws://127.0.0.1:1/sync" })(new AbortController().signal)).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  it("waits anything up to a bound that doubles up to a minute, and for ever", () => {
    expect(fullJitterMs(0, 0)).toBe(0);
    expect(fullJitterMs(0, 0.999_999)).toBeLessThan(defaultBackoff.baseMs);
    expect(fullJitterMs(3, 0.5)).toBe(2_000);
    for (const attempt of [7, 20, 1_000, 1_000_000]) expect(fullJitterMs(attempt, 0.999_999)).toBeLessThanOrEqual(60_000);
  });
});

describe("a link in memory", () => {
  it("delivers in order, also what came before anybody listened, and then its end once", async () => {
    const [here, there] = memoryLinks();
    for (const byte of [1, 2, 3]) here.send(new Uint8Array([byte]));
    await Promise.resolve();
    here.close(1000, "done");
    const heard: number[] = [];
    const ends: number[] = [];
    there.onMessage((bytes) => void heard.push(...bytes));
    there.onClose(({ code }) => void ends.push(code));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([1, 2, 3]);
    expect(ends).toEqual([1000]);
  });
});
