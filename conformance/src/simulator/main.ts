import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

const disksOf = {
  none: { restores: false, clones: false },
  restores: { restores: true, clones: false },
  clones: { restores: false, clones: true },
  both: { restores: true, clones: true },
} as const;
type Disks = keyof typeof disksOf;

/**
 * `node conformance/dist/simulator/main.js --seeds 1000 --from 1 --chaos 40000 --disks both --log`: runs seeds with so many virtual
 * milliseconds of faults and prints every one that fails. Without `--disks` each seed draws whether disks are put back or copied.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      from: { type: "string", default: "1" },
      chaos: { type: "string", default: "40000" },
      disks: { type: "string" },
      log: { type: "boolean", default: false },
    },
  });
  const first = Number(values.from);
  const count = Number(values.seeds);
  const { disks } = values;
  if (disks !== undefined && !Object.hasOwn(disksOf, disks))
    throw new RangeError(`--disks is one of ${Object.keys(disksOf).join(", ")}`);
  const startMs = performance.now();
  let failed = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const { violation, faults, counts, healMs } = await simulate({
      seed,
      chaosMs: Number(values.chaos),
      ...(disks === undefined ? {} : { disks: disksOf[disks as Disks] }),
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
