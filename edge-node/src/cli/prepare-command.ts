import { type Command, Option } from "commander";
import { doStep, prepareProgram, type PrepareStep, prepareSteps } from "../prepare/prepare-program.ts";
import type { CliPort } from "./cli-port.ts";

interface PrepareOptions {
  readonly again?: boolean;
  readonly brief?: boolean;
  readonly step?: PrepareStep;
  readonly draft?: string;
}

/** `prepare`, and the steps that it starts as processes of their own. */
export function addPrepareCommand(program: Command, port: CliPort): void {
  program
    .command("prepare")
    .description(
      "keep PGlite's machine code for this Node and processor, so that the daemon starts in half the time; run it once",
    )
    .option("--again", "also when code is kept already")
    .addOption(new Option("--step <step>").choices(prepareSteps).hideHelp())
    .addOption(new Option("--draft <file>").hideHelp())
    .addOption(new Option("--brief").hideHelp())
    .action(async ({ again, brief, step, draft }: PrepareOptions) => {
      if (step !== undefined && draft !== undefined) return await doStep(step, draft, brief === true);
      const { file, wasKept } = await prepareProgram(again === true, brief === true);
      port.print(`${wasKept ? "kept already" : "kept"}: ${file}\n`);
    });
}
