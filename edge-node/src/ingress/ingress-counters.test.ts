import { expect, it } from "vitest";
import { IngressCounters } from "./ingress-counters.ts";

it("counts outcomes and reasons, and the rate of the last minute only", () => {
  const counters = new IngressCounters();
  const startMs = 1_700_000_000_000;
  for (let second = 0; second < 90; second++) {
    counters.received(startMs + second * 1000);
    counters.count("stored", null, startMs + second * 1000);
  }
  counters.count("refused", "blocked-on-site", startMs + 89_000);
  expect(counters.snapshot(7, startMs + 89_000)).toEqual({
    received: 90,
    stored: 90,
    duplicate: 0,
    refused: 1,
    failed: 0,
    refusedByReason: { "blocked-on-site": 1 },
    pending: 7,
    ratePerSecond: 1,
    lastMessageMs: startMs + 89_000,
  });
  expect(counters.snapshot(0, startMs + 119_000).ratePerSecond).toBe(0.5);
  expect(counters.snapshot(0, startMs + 500_000).ratePerSecond).toBe(0);
});
