import { HayloftError } from "@hayloft/engine";
import type { Command } from "commander";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { askDaemon, tellDaemon } from "./ask-daemon.ts";
import type { CliPort } from "./cli-port.ts";
import { parseList, textOf } from "./status-text.ts";

/** `review list` and `review decide`; they show values of rows and need http.admin_token_file. */
export function addReviewCommands(program: Command, { config }: LoadedEdgeConfig, port: CliPort): void {
  const review = program
    .command("review")
    .description("values that several people wrote without knowing of each other; needs http.admin_token_file");
  review
    .command("list", { isDefault: true })
    .description("what waits for a decision: what shows until then, and who wrote which value")
    .option("--table <name>", "of one table")
    .option("--json", "print them as JSON")
    .action(async ({ table, json }: { readonly table?: string; readonly json?: boolean }) => {
      const query = new URLSearchParams(table === undefined ? {} : { table });
      const answer = await askDaemon(config, `/api/v1/sync/reviews?${query.toString()}`);
      if (json === true) return port.print(`${JSON.stringify(answer, null, 2)}\n`);
      const lines = parseList(answer).map((item) => `${String(item["id"])}  ${textOf(item)}`);
      port.print(lines.length === 0 ? "none\n" : `${lines.join("\n")}\n`);
    });
  review
    .command("decide <id>")
    .description("let one value stand, one of those listed or another; every tier takes it over")
    .option("--value <value>", "the value that stands")
    .option("--no-value", "no value stands")
    .requiredOption("--author <name>", "who decides; it stands in the audit log")
    .action(async (id: string, { value, author }: { readonly value?: string | boolean; readonly author: string }) => {
      if (value === undefined || value === true)
        throw new HayloftError("config-invalid", { problems: "--value <value> or --no-value: say what stands" });
      const body = { value: value === false ? null : value, author };
      const answer = await tellDaemon(config, "POST", `/api/v1/sync/reviews/${encodeURIComponent(id)}/decide`, body);
      port.print(`${JSON.stringify(answer, null, 2)}\n`);
    });
}
