import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

/** `node conformance/dist/simulator/main.js --seeds 1000 --from 1 --log`: runs seeds and prints every one that fails. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      from: { type: "string", default: "1" },
      log: { type: "boolean", default: false },
    },
  });
  const first = Number(values.from);
  const count = Number(values.seeds);
  const startMs = performance.now();
  let failed = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const { violation, faults, counts, healMs } = await simulate({
      seed,
      ...(values.log ? { onLine: (line: string) => console.log(line) } : {}),
    });
    if (violation === null) continue;
    failed += 1;
    console.log(
      `seed ${String(seed)}: ${violation.message}\n  after ${String(healMs)} ms of calm; ${JSON.stringify(counts)}\n  ${JSON.stringify(faults)}`,
    );
  }
  const tookMs = performance.now() - startMs;
  console.log(`${String(count)} seeds, ${String(failed)} failed, ${(tookMs / count).toFixed(0)} ms each`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
