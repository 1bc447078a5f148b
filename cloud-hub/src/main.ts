import { HayloftError } from "@hayloft/engine";
import { CommanderError } from "commander";
import { CommandContext } from "./cli/command-context.ts";
import { hubProgram, refuseUnknownCommand } from "./cli/hub-program.ts";
import type { LoadedHubSettings } from "./config/load-hub-settings.ts";
import { hubSettingsOf, loadHubSettings } from "./config/load-hub-settings.ts";

/** `--help` and `--version` answer also when the configuration is wrong. */
function settingsOrDefaults(argv: readonly string[]): LoadedHubSettings {
  try {
    return loadHubSettings(argv, process.env);
  } catch (error) {
    const asksForHelp = argv.some((argument) => ["--help", "-h", "help", "--version", "-V"].includes(argument));
    if (!asksForHelp) throw error;
    return { settings: hubSettingsOf({}), sources: {}, file: null, rest: argv };
  }
}

/** What went wrong, for a person at a terminal: one line per problem, no stack. */
function complaint(error: unknown): string {
  if (!(error instanceof HayloftError)) return error instanceof Error ? (error.stack ?? error.message) : "unknown error";
  const problems = error.code === "config-invalid" ? error.details["problems"] : undefined;
  if (typeof problems !== "string") return error.message;
  return ["The configuration is not valid:", ...problems.split("; ").map((line) => `  ${line}`)].join("\n");
}

/** 0 done (help), 1 failed, 2 wrong usage or configuration. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof HayloftError && (error.code === "config-invalid" || error.code === "request-invalid") ? 2 : 1;
}

try {
  const argv = process.argv.slice(2);
  const loaded = settingsOrDefaults(argv);
  const context = new CommandContext(loaded, (text) => process.stdout.write(text));
  const program = hubProgram(context);
  refuseUnknownCommand(program, loaded.rest);
  await program.parseAsync(loaded.rest, { from: "user" });
} catch (error) {
  // Commander has written its own message.
  if (!(error instanceof CommanderError)) process.stderr.write(`${complaint(error)}\n`);
  process.exitCode = exitCodeOf(error);
}
