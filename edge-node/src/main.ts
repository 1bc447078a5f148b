import { edgeCommand } from "./cli/edge-command.ts";

const signals = ["SIGINT", "SIGTERM"] as const;

const code = await edgeCommand(process.argv.slice(2), {
  env: process.env,
  print: (text) => process.stdout.write(text),
  printError: (text) => process.stderr.write(text),
  readInput: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString("utf8");
  },
  untilSignal: () =>
    new Promise((resolve) => {
      for (const signal of signals) process.once(signal, () => resolve(signal));
    }),
});
// Explicit, because after a failure of the store its worker may still hold the process.
process.exit(code);
