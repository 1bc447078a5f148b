import { parseArgs } from "node:util";
import { layGround } from "../service-ground.ts";
import { runKills } from "./run-kills.ts";

/** Kills of each in one round; after it both are compared. */
const ROUND = 20;
const MINUTE_MS = 60_000;

/**
 * `node conformance/dist/e2e/kills/main.js --kills 1000`: kills hub and edge so often each, and prints what came of it. `--minutes` ends it earlier, `--seed` begins
 * elsewhere. With a TMPDIR in memory a kill is cheaper, and kills the same: what a process has written is the system's.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "1000" },
      minutes: { type: "string", default: "1440" },
      seed: { type: "string", default: "1" },
    },
  });
  const [wanted, untilMs] = [Number(values.kills), performance.now() + Number(values.minutes) * MINUTE_MS];
  const { ground, end } = await layGround();
  const total = { edgeKills: 0, hubKills: 0, whileStarting: 0, acknowledged: 0, entered: 0, lost: 0, doubled: 0, held: 0, ms: 0 };
  try {
    for (let seed = Number(values.seed); total.edgeKills < wanted && performance.now() < untilMs; seed += 1) {
      const kills = Math.min(ROUND, wanted - total.edgeKills);
      const figures = await runKills(ground, { edge: kills, hub: kills, seed }).catch((error: unknown) => {
        console.error(error);
        throw new Error(`the round of seed ${String(seed)} failed`, { cause: error });
      });
      for (const name of ["edgeKills", "hubKills", "whileStarting", "acknowledged", "entered", "lost", "ms"] as const)
        total[name] += figures[name];
      // Of all rows that there are.
      total.doubled = figures.doubled;
      total.held = figures.held;
      console.log(`up to seed ${String(seed)}: ${JSON.stringify(total)}`);
      if (total.lost + total.doubled + total.held > 0) throw new Error("rows were lost, doubled or refused");
    }
  } finally {
    await end();
  }
}

await main();
