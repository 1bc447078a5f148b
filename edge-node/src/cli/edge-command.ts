import { HayloftError } from "@hayloft/engine";
import { CommanderError } from "commander";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { edgeConfigOf, loadEdgeConfig } from "../settings/load-edge-config.ts";
import type { CliPort } from "./cli-port.ts";
import { exitCodes } from "./cli-port.ts";
import { edgeProgram } from "./edge-program.ts";

/**
 * Runs the command line and returns the exit code. Settings may stand anywhere; what is no setting is a command and its
 * options. Every failure is one message that says what to do. Never throws.
 */
export async function edgeCommand(argv: readonly string[], port: CliPort): Promise<number> {
  try {
    const loaded = await settingsOrDefaults(argv, port);
    const result = { code: exitCodes.done as number };
    const program = edgeProgram(loaded, port, (code) => {
      result.code = code;
    });
    const [command] = loaded.rest;
    if (
      command !== undefined &&
      !command.startsWith("-") &&
      command !== "help" &&
      !program.commands.some((known) => known.name() === command)
    ) {
      throw new HayloftError("config-invalid", {
        problems: `${command}: unknown command; hayloft-edge --help shows the commands`,
      });
    }
    await program.parseAsync([...loaded.rest], { from: "user" });
    return result.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    port.printError(`${complaintOf(error)}\n`);
    return error instanceof HayloftError && error.code === "config-invalid" ? exitCodes.usage : exitCodes.failed;
  }
}

/** Help, version and the making of a password work also when the configuration is wrong or not there yet. */
async function settingsOrDefaults(argv: readonly string[], port: CliPort): Promise<LoadedEdgeConfig> {
  try {
    return await loadEdgeConfig(argv, port.env);
  } catch (error) {
    const free = ["--help", "-h", "help", "--version", "-V", "version", "hash-password", "make-key", "prepare"];
    if (!argv.some((argument) => free.includes(argument))) throw error;
    return { config: edgeConfigOf({ data_dir: "." }), sources: {}, rest: argv };
  }
}

function complaintOf(error: unknown): string {
  if (!(error instanceof HayloftError)) return `hayloft-edge: ${error instanceof Error ? error.message : "failed"}`;
  const { address, status, reason } = error.details;
  // What another program answered says more than what we make of it.
  if (error.code === "unavailable" && typeof address === "string" && typeof status === "number")
    return `hayloft-edge: ${address} answered ${String(status)}: ${String(reason)}`;
  const problems = error.code === "config-invalid" ? error.details["problems"] : undefined;
  if (typeof problems !== "string") return `hayloft-edge: ${error.message}`;
  return ["hayloft-edge: the configuration is not valid:", ...problems.split("; ").map((line) => `  ${line}`)].join("\n");
}
