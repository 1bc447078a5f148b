import type { Command } from "commander";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { askDaemon, tellDaemon } from "./ask-daemon.ts";
import type { CliPort } from "./cli-port.ts";
import { parseList, textOf } from "./status-text.ts";

interface ListOptions {
  readonly table?: string;
  readonly key?: string;
  readonly column?: string;
  readonly since?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

/** `journal list`, `journal undo` and `explain`; they show values of rows and need http.admin_token_file. */
export function addJournalCommands(program: Command, { config }: LoadedEdgeConfig, port: CliPort): void {
  const print = (answer: unknown): void => port.print(`${JSON.stringify(answer, null, 2)}\n`);
  const journal = program.command("journal").description("values that lost a merge; needs http.admin_token_file");
  journal
    .command("list", { isDefault: true })
    .description("the newest ones: what lost to what, who wrote which, by which rule")
    .option("--table <name>", "of one table")
    .option("--key <key>", "of one row: its primary key without the tenant, parts with commas between them")
    .option("--column <name>", "of one column")
    .option("--since <time>", "noticed at that time or later")
    .option("--limit <count>", "at most so many, 100 by default")
    .option("--json", "print them as JSON")
    .action(async ({ json, ...filter }: ListOptions) => {
      const query = new URLSearchParams(
        Object.entries(filter).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
      );
      const answer = await askDaemon(config, `/api/v1/sync/journal?${query.toString()}`);
      if (json === true) return print(answer);
      const lines = parseList(answer).map((item) => `${String(item["id"])}  ${textOf(item)}`);
      port.print(lines.length === 0 ? "none\n" : `${lines.join("\n")}\n`);
    });
  journal
    .command("undo <id>")
    .description("put the lost value back, by an ordinary new commit of this node")
    .option("--author <name>", "who does it")
    .action(async (id: string, { author }: { readonly author?: string }) =>
      print(await tellDaemon(config, "POST", `/api/v1/sync/journal/${encodeURIComponent(id)}/undo`, { author: author ?? null })),
    );
  program
    .command("explain <table> <key> [column]")
    .description("everything that this node knows of a row or cell; needs http.admin_token_file")
    .option("--json", "print it as JSON")
    .action(async (table: string, key: string, column: string | undefined, { json }: { readonly json?: boolean }) => {
      const query = new URLSearchParams({ table, key, ...(column === undefined ? {} : { column }) });
      const answer = await askDaemon(config, `/api/v1/sync/explain?${query.toString()}`);
      if (json === true) return print(answer);
      port.print(textOf(answer));
    });
}
