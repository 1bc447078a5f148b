import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { FarmDemo, type FarmDemoResult } from "./farm-demo.ts";

interface Flags {
  readonly keep: boolean;
  readonly dir: string | undefined;
  readonly barns: string;
  readonly seconds: string;
  readonly readingEvery: string;
}

const flags = new Command("farm-demo")
  .description("A farm loses its link, its edge node is killed, and nothing is lost: on real parts, with proof.")
  .option("--keep", "leave everything running and print the addresses", false)
  .option("--dir <path>", "where the databases go (default: a temporary directory)")
  .option("--barns <count>", "barns, 1 to 4", "4")
  .option("--seconds <count>", "length of each stretch of the story", "6")
  .option("--reading-every <ms>", "between two rounds of a gateway's readings", "250")
  .parse()
  .opts<Flags>();

const summary = (result: FarmDemoResult): string =>
  [
    "",
    `  ${result.proof.rowsCompared} rows in ${result.proof.tablesCompared} tables are equal in the barn and at the hub`,
    `  ${result.proof.acknowledged} messages were acknowledged to devices: ${result.proof.lost} lost, ${result.proof.doubled} doubled`,
    `  a barn renamed with SQL at the hub was seen on the edge after ${Math.round(result.renameSeenMs)} ms`,
    `  at most ${result.backlogRowsMost} rows waited; they drained at ${result.drainedRowsPerSecond} readings a second, new ones included`,
    `  ${(result.bytesUp / 1_048_576).toFixed(2)} MiB went up`,
    "",
  ].join("\n");

const temporary = flags.dir === undefined;
const dir = flags.dir ?? mkdtempSync(join(tmpdir(), "hayloft-demo-"));
mkdirSync(dir, { recursive: true });
// Where the demo runs as root, Postgres runs as another user, who has to get in.
if (temporary) chmodSync(dir, 0o711);
const demo = new FarmDemo({
  dir,
  barns: Math.min(4, Math.max(1, Number(flags.barns))),
  stretchMs: 1_000 * Number(flags.seconds),
  readingEveryMs: Number(flags.readingEvery),
});

const finish = async (code: number, last: string | null = null): Promise<never> => {
  await demo.close();
  if (last !== null) console.error(last);
  if (temporary && code === 0) rmSync(dir, { recursive: true, force: true });
  process.exit(code);
};
process.once("SIGINT", () => void finish(130));
process.once("SIGTERM", () => void finish(143));

try {
  const result = await demo.run();
  console.log(summary(result));
  if (flags.keep) {
    const { hub, edge, mqtt, database } = demo.addresses;
    demo.resume();
    console.log(
      `Everything keeps running. End it with Ctrl-C.\n\n  hub    ${hub}\n  edge   ${edge} (status page)\n  mqtt   ${mqtt}\n  files  ${dir}\n\n  psql "${database}"\n`,
    );
  } else {
    await finish(0);
  }
} catch (error) {
  await finish(1, `${error instanceof Error ? error.message : String(error)}\nThe files are in ${dir}.`);
}
