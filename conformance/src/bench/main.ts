import { Command } from "commander";
import { localWrite } from "./f1-local-write.ts";
import { ingestMessages } from "./f2-ingress.ts";
import { drainBacklog } from "./f3-drain.ts";
import { drainPoisoned } from "./q1-poison.ts";
import { mergeUpdates } from "./m1-merge-updates.ts";
import { drainOutage } from "./f4-outage.ts";
import { fillEdge } from "./f5-first-sync.ts";
import { compareRows } from "./f11-digest.ts";
import { restartEdge } from "./f13-restart.ts";
import { formatFigures, writeResults } from "./report.ts";
import type { Figure } from "./measure.ts";

interface Flags {
  readonly only: string | undefined;
  readonly rows: string;
  readonly runs: string;
}

const flags = new Command("bench")
  .description("Floors and ours in turn, in one run; prints medians and ratios. A whole run also writes docs/benchmarks.md.")
  .option("--only <ids>", "comma-separated ids, for example F1,F3; writes nothing")
  .option("--rows <count>", "rows a run", "100000")
  .option("--runs <count>", "runs of each", "3")
  .parse()
  .opts<Flags>();

const rows = Number(flags.rows);
const runs = Number(flags.runs);
const benchmarks: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  F1: () => localWrite(rows, runs),
  F2: () => ingestMessages(rows, runs),
  F3: () => drainBacklog(rows, runs),
  F4: () => drainOutage(rows),
  Q1: () => drainPoisoned(rows, runs),
  F5: () => fillEdge(rows, runs),
  F11: () => compareRows(rows, runs),
  F13: () => restartEdge(rows, runs),
  M1: () => mergeUpdates(rows, runs),
};

const wanted = flags.only?.split(",") ?? Object.keys(benchmarks);
const figures: Figure[] = [];
for (const id of wanted) {
  const benchmark = benchmarks[id];
  if (benchmark === undefined) throw new Error(`no benchmark ${id}; there are ${Object.keys(benchmarks).join(", ")}`);
  console.log(`${id} …`);
  const measured = await benchmark();
  console.log(formatFigures(measured));
  figures.push(...measured);
}
// One record is of one run: figures of several runs are of several loads of the machine.
if (flags.only === undefined) writeResults(figures, { rows, runs });
