import { expect, it } from "vitest";
import type { Backoff } from "../link/backoff.ts";
import type { LocalSide } from "../session/local-side.ts";
import { ParentLink } from "./parent-link.ts";
import type { SessionPorts } from "./session-ports.ts";

/** The pauses of a link whose parent never answers, with a random number just below 1, so that each is its bound. */
async function pausesOf(attempts: number, reconnect: Backoff | undefined): Promise<readonly number[]> {
  const pauses: number[] = [];
  return await new Promise((resolve) => {
    const ports = {
      random: () => 0.999_999_9,
      notePeer: () => Promise.resolve(),
      log: () => undefined,
      timers: {
        moment: () => ({ nowMs: 0, steadyMs: 0 }),
        after: (ms: number, run: () => void) => {
          pauses.push(Math.ceil(ms));
          if (pauses.length < attempts) queueMicrotask(run);
          else resolve(pauses);
          return () => undefined;
        },
      },
    } as unknown as SessionPorts;
    new ParentLink({
      ports,
      local: {} as LocalSide,
      tenant: "t",
      target: {
        node: "hub",
        publicKey: new Uint8Array(32),
        dial: () => Promise.reject(new Error("nobody there")),
        ...(reconnect === undefined ? {} : { reconnect }),
      },
      heads: () => [],
      onProgress: () => undefined,
    }).start();
  });
}

it("waits between attempts up to a bound that doubles from half a second to a minute", async () => {
  const pauses = await pausesOf(10, undefined);
  expect(pauses.map((ms) => Math.round(ms / 500) * 500)).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
  ]);
});

it("waits as it was told", async () => {
  const pauses = await pausesOf(6, { baseMs: 100, capMs: 1_000 });
  expect(pauses.map((ms) => Math.round(ms / 100) * 100)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});
