import { startAhead } from "@hayloft/engine/pglite";

const signals = ["SIGINT", "SIGTERM"] as const;

// Whoever reads the output may go before its end, as in `hayloft-edge status | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

// The store's thread loads PGlite while this one loads the rest of the daemon.
if (process.argv.length === 2 || process.argv.includes("run")) startAhead();
const { edgeCommand } = await import("./cli/edge-command.ts");
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
