import { HayloftError } from "@hayloft/engine";
import { CommanderError } from "commander";
import type { LoadedHubSettings } from "../config/load-hub-settings.ts";
import { hubSettingsOf, loadHubSettings } from "../config/load-hub-settings.ts";
import { CommandContext } from "./command-context.ts";
import { hubProgram, refuseUnknownCommand } from "./hub-program.ts";

/** Where a command writes: results, and what went wrong. */
export interface CommandOutput {
  out(text: string): void;
  err(text: string): void;
}

/**
 * Runs one command line of `hayloft-hub`; the service's command ends with the service. Resolves to the exit code: 0 done (help,
 * too), 1 failed, 2 wrong usage or configuration.
 */
export async function runHubCommand(argv: readonly string[], env: NodeJS.ProcessEnv, output: CommandOutput): Promise<number> {
  try {
    const loaded = settingsOrDefaults(argv, env);
    const program = hubProgram(new CommandContext(loaded, (text) => output.out(text)), output);
    refuseUnknownCommand(program, loaded.rest);
    await program.parseAsync(loaded.rest, { from: "user" });
    return 0;
  } catch (error) {
    // Commander has written its own message.
    if (!(error instanceof CommanderError)) output.err(`${complaint(error)}\n`);
    return exitCodeOf(error);
  }
}

/** `--help` and `--version` answer also when the configuration is wrong. */
function settingsOrDefaults(argv: readonly string[], env: NodeJS.ProcessEnv): LoadedHubSettings {
  try {
    return loadHubSettings(argv, env);
  } catch (error) {
    const asksForHelp = argv.some((argument) => ["--help", "-h", "help", "--version", "-V"].includes(argument));
    if (!asksForHelp) throw error;
    return { settings: hubSettingsOf({}), sources: {}, file: null, rest: argv };
  }
}

/** What went wrong, for a person at a terminal: one line per problem, no stack. */
function complaint(error: unknown): string {
  if (!(error instanceof HayloftError)) {
    if (!(error instanceof Error)) return "unknown error";
    // What the system says of a file is for people as it is; anything else is a fault of ours.
    return "syscall" in error ? error.message : (error.stack ?? error.message);
  }
  const problems = error.code === "config-invalid" ? error.details["problems"] : undefined;
  if (typeof problems !== "string") return error.message;
  return ["The configuration is not valid:", ...problems.split("; ").map((line) => `  ${line}`)].join("\n");
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof HayloftError && (error.code === "config-invalid" || error.code === "request-invalid") ? 2 : 1;
}
