import { parseArgs } from "node:util";
import { Bench } from "../bench/bench-databases.ts";
import { runSchedule } from "./run-schedule.ts";
import { ThreeTiers } from "./three-tiers.ts";

const PROGRESS = 100;

/** `node conformance/dist/schedules/main.js --runs 1000 --from 1`: runs schedules on databases on disk, and stops at one that fails. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "1000" }, from: { type: "string", default: "1" } },
  });
  const [first, runs] = [Number(values.from), Number(values.runs)];
  const bench = new Bench();
  const tiers = await ThreeTiers.start({
    hub: await bench.postgres(),
    edge: await bench.pglite(),
    tablet: await bench.pglite(),
  });
  const totals = { transactions: 0, partitions: 0, restarts: 0 };
  const startMs = performance.now();
  try {
    for (let seed = first; seed < first + runs; seed += 1) {
      const counts = await runSchedule(tiers, seed);
      for (const name of ["transactions", "partitions", "restarts"] as const) totals[name] += counts[name];
      const done = seed - first + 1;
      if (done % PROGRESS === 0 || done === runs)
        console.log(
          `${String(done)} schedules from seed ${String(first)}: ${JSON.stringify(totals)}, ${String(Math.round(performance.now() - startMs))} ms`,
        );
    }
  } finally {
    await tiers.end();
    await bench.close();
  }
}

await main();
