import { runHubCommand } from "./cli/run-hub-command.ts";

const code = await runHubCommand(process.argv.slice(2), process.env, {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
if (code !== 0) process.exitCode = code;
