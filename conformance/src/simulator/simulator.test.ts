import { describe, expect, it } from "vitest";
import { sabotages } from "./sabotage.ts";
import { simulate } from "./simulate.ts";

/** More with `node conformance/dist/simulator/main.js --seeds 1000`. */
const seeds = Number(process.env["HAYLOFT_SEEDS"] ?? "24");
const chaosMs = 20_000;

describe("simulation of three tiers", () => {
  it(`keeps all promises for ${String(seeds)} seeds`, { timeout: 600_000 }, async () => {
    const startMs = performance.now();
    const totals = {
      commits: 0,
      messages: 0,
      cuts: 0,
      crashes: 0,
      duplicates: 0,
      reorders: 0,
      partitions: 0,
      restores: 0,
      clones: 0,
    };
    const failures: string[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { violation, commits, messages, counts } = await simulate({ seed, chaosMs });
      if (violation !== null) failures.push(`seed ${String(seed)}: ${violation.message}`);
      totals.commits += commits;
      totals.messages += messages;
      for (const kind of ["cuts", "crashes", "duplicates", "reorders", "partitions", "restores", "clones"] as const)
        totals[kind] += counts[kind];
    }
    const eachMs = (performance.now() - startMs) / seeds;
    process.stdout.write(`simulator: ${String(seeds)} seeds, ${eachMs.toFixed(0)} ms each, ${JSON.stringify(totals)}\n`);
    expect(failures).toEqual([]);
  });

  it("O19 gives the same events for the same seed", async () => {
    const [first, second, other] = [
      await simulate({ seed: 7, chaosMs }),
      await simulate({ seed: 7, chaosMs }),
      await simulate({ seed: 8, chaosMs }),
    ];
    expect(second).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
  });
});

describe("the checkers see a replica that", () => {
  it.each(Object.entries(sabotages))("%s", { timeout: 300_000 }, async (_name, { oracles, firstSeed = 1, ...broken }) => {
    const seen: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + 10 && !seen.some((oracle) => oracles.includes(oracle)); seed += 1) {
      const { violation } = await simulate({ seed, chaosMs, healMs: 120_000, ...broken });
      if (violation !== null) seen.push(violation.oracle);
    }
    expect(
      seen.filter((oracle) => oracles.includes(oracle)),
      `oracles that spoke: ${seen.join()}`,
    ).not.toEqual([]);
  });
});
