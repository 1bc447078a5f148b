import { userInfo } from "node:os";
import { explainRow, explanationText, HayloftError, listLosses, lossText, undoLoss } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import type { Command } from "commander";
import type { CommandContext } from "./command-context.ts";

const TENANT = "--tenant <id>";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const keyOf = (text: string): readonly string[] => text.split(",").map((part) => part.trim());

interface ListOptions {
  readonly tenant?: string;
  readonly table?: string;
  readonly key?: string;
  readonly column?: string;
  readonly since?: string;
  readonly limit?: string;
}

function filterOf({ tenant, table, key, column, since, limit }: ListOptions): Parameters<typeof listLosses>[1] {
  const at = since === undefined ? undefined : new Date(since);
  if (at !== undefined && Number.isNaN(at.getTime()))
    throw new HayloftError("request-invalid", { part: "since", expected: "a time such as 2026-11-26T08:00:00Z" });
  return {
    ...(tenant !== undefined && { tenant }),
    ...(table !== undefined && { table }),
    ...(column !== undefined && { column }),
    ...(key !== undefined && { key: keyOf(key) }),
    ...(at !== undefined && { since: at }),
    ...(limit !== undefined && { limit: Number(limit) }),
  };
}

/** `journal list`, `journal undo` and `explain`. */
export function addJournalCommands(program: Command, context: CommandContext): void {
  const journal = program.command("journal").description("values that lost a merge, as the hub saw it");
  journal
    .command("list", { isDefault: true })
    .description("the newest ones: what lost to what, who wrote which, by which rule")
    .option(TENANT, "of one tenant only")
    .option("--table <name>", "of one table")
    .option("--key <key>", "of one row: its primary key without the tenant, parts with commas between them")
    .option("--column <name>", "of one column")
    .option("--since <time>", "noticed at that time or later")
    .option("--limit <count>", "at most so many, 100 by default")
    .action(async (given: ListOptions) => {
      const { entries } = await context.withDatabase(async (db) => await listLosses(db, filterOf(given)));
      if (context.json) return context.rows(entries, []);
      const lines = entries.map((entry) => `${entry.tenant}  ${entry.id}  ${lossText(entry)}`);
      context.text(lines.length === 0 ? "none\n" : `${lines.join("\n")}\n`);
    });
  journal
    .command("undo <id>")
    .description("put the lost value back, by an ordinary new commit of the hub")
    .requiredOption(TENANT, "the tenant")
    .option("--author <name>", "who does it", userInfo().username)
    .action(async (id: string, { tenant, author }: { readonly tenant: string; readonly author: string }) => {
      if (!UUID.test(id)) throw new HayloftError("not-found", { what: "journal entry", id: id.slice(0, 64) });
      const { commit } = await context.withDatabase(async (db) => await undoLoss(db, farmCatalog, { tenant, id }, { author }));
      context.record(
        commit === null ? { id, state: "stands already" } : { id, state: "put back", origin: commit.origin, seq: commit.seq },
      );
    });
  program
    .command("explain <table> <key> [column]")
    .description("everything that the hub knows of a row or cell")
    .requiredOption(TENANT, "the tenant")
    .action(async (table: string, key: string, column: string | undefined, { tenant }: { readonly tenant: string }) => {
      const asked = { tenant, table, key: keyOf(key), column: column ?? null };
      const explanation = await context.withDatabase(async (db) => await explainRow(db, farmCatalog, asked));
      if (context.json) context.record(explanation);
      else context.text(explanationText(explanation));
    });
}
