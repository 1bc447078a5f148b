import { readFile, writeFile } from "node:fs/promises";
import { checkReport, reportText } from "@hayloft/engine";
import type { Command } from "commander";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { tellDaemon } from "./ask-daemon.ts";
import { type CliPort, exitCodes } from "./cli-port.ts";

/** A barn's rows are compared in seconds; this is for a slow hub far away. */
const VERIFY_MS = 30 * 60_000;

interface VerifyOptions {
  readonly check?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** `verify`. `finish` is told the exit code when rows differ still. */
export function addVerifyCommand(
  program: Command,
  { config }: LoadedEdgeConfig,
  port: CliPort,
  finish: (code: number) => void,
): void {
  program
    .command("verify")
    .description("compare all rows with the hub's and set right what is damaged on either side; needs http.admin_token_file")
    .option("--out <file>", "write the report, signed with this node's key")
    .option("--check <file>", "check the signature of such a report instead")
    .option("--json", "print the signed report as JSON")
    .action(async ({ check, out, json }: VerifyOptions) => {
      const signed =
        check === undefined
          ? JSON.stringify(await tellDaemon(config, "POST", "/api/v1/sync/verify", {}, VERIFY_MS))
          : await readFile(check, "utf8");
      const report = checkReport(signed);
      if (out !== undefined) await writeFile(out, `${signed}\n`);
      port.print(json === true ? `${signed}\n` : reportText(report));
      if (check !== undefined && json !== true) port.print(`the signature holds: key ${keyOf(signed)}\n`);
      if (isLeft(report)) finish(exitCodes.failed);
    });
}

const keyOf = (signed: string): string => String((JSON.parse(signed) as { readonly publicKey?: unknown }).publicKey);

const isLeft = ({ tables }: Readonly<Record<string, unknown>>): boolean =>
  Array.isArray(tables) && tables.some((table: { readonly left?: unknown }) => table.left !== 0 && table.left !== undefined);
