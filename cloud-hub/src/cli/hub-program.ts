import { settingsHelp } from "@hayloft/engine";
import { Command } from "commander";
import { hubSettings } from "../config/hub-settings.ts";
import { hubVersion } from "../hub/hub-version.ts";
import type { CommandContext } from "./command-context.ts";
import type { CommandOutput } from "./run-hub-command.ts";
import { addImageCommands } from "./image-commands.ts";
import { addJournalCommands } from "./journal-commands.ts";
import { addMediaCommands } from "./media-commands.ts";
import { addNodeCommands, addTokenCommands } from "./node-commands.ts";
import { addQuarantineCommands } from "./quarantine-commands.ts";
import { addRecoveryCommands } from "./recovery-commands.ts";
import {
  addBatchCommands,
  addDeviceCommands,
  addPlaceCommands,
  addStationCommands,
  addTenantCommands,
} from "./registry-commands.ts";
import { addReviewCommands } from "./review-commands.ts";
import { addServiceCommands } from "./service-commands.ts";
import { addVerifyCommand } from "./verify-command.ts";

/** All commands of `hayloft-hub`; help and complaints about usage go to `output`. */
export function hubProgram(context: CommandContext, output: CommandOutput): Command {
  const program = new Command("hayloft-hub")
    .configureOutput({ writeOut: (text) => output.out(text), writeErr: (text) => output.err(text) })
    .description("The cloud hub of Hayloft: enrols nodes, holds every tenant's data, serves their sync.")
    .version(hubVersion(), "-V, --version")
    .option("--json", "print results as JSON")
    .hook("preAction", (_root, command) => {
      context.json = command.optsWithGlobals<{ json?: boolean }>().json === true;
    })
    .addHelpText("after", `\n${settingsHelp(hubSettings)}`)
    .exitOverride()
    .showHelpAfterError("(hayloft-hub --help shows the commands)");
  addServiceCommands(program, context);
  addTenantCommands(program, context);
  addPlaceCommands(program, context);
  addStationCommands(program, context);
  addBatchCommands(program, context);
  addDeviceCommands(program, context);
  addTokenCommands(program, context);
  addNodeCommands(program, context);
  addQuarantineCommands(program, context);
  addJournalCommands(program, context);
  addRecoveryCommands(program, context);
  addReviewCommands(program, context);
  addMediaCommands(program, context);
  addImageCommands(program, context);
  addVerifyCommand(program, context);
  return program;
}

/** Ends with usage when the first word is no command; it would otherwise be taken for an argument of the default command. */
export function refuseUnknownCommand(program: Command, words: readonly string[]): void {
  const [first] = words.filter((word) => !word.startsWith("-"));
  const known = ["help", ...program.commands.map((command) => command.name())];
  if (first !== undefined && !known.includes(first))
    program.error(`error: unknown command '${first.slice(0, 64)}'`, { exitCode: 2 });
}
