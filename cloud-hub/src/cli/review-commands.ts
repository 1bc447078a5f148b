import { userInfo } from "node:os";
import { decideReview, HayloftError, listReviews, reviewText } from "@hayloft/engine";
import { auditReview, farmCatalog } from "@hayloft/schema";
import type { Command } from "commander";
import type { CommandContext } from "./command-context.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface ListOptions {
  readonly tenant?: string;
  readonly table?: string;
  readonly limit?: string;
}

interface DecideOptions {
  readonly tenant: string;
  readonly value?: string | boolean;
  readonly author: string;
}

/** `review list` and `review decide`. */
export function addReviewCommands(program: Command, context: CommandContext): void {
  const review = program.command("review").description("values that several people wrote without knowing of each other");
  review
    .command("list", { isDefault: true })
    .description("what waits for a decision: what shows until then, and who wrote which value")
    .option("--tenant <id>", "of one tenant only")
    .option("--table <name>", "of one table")
    .option("--limit <count>", "at most so many, 100 by default")
    .action(async ({ tenant, table, limit }: ListOptions) => {
      const filter = {
        ...(tenant !== undefined && { tenant }),
        ...(table !== undefined && { table }),
        ...(limit !== undefined && { limit: Number(limit) }),
      };
      const open = await context.withDatabase(async (db) => await listReviews(db, farmCatalog, filter));
      if (context.json) {
        return context.rows(
          open.map((item) => ({ ...item, values: item.values.map((each) => ({ ...each, stamp: String(each.stamp) })) })),
          [],
        );
      }
      const lines = open.map((item) => `${item.tenant}  ${item.id}  ${reviewText(item)}`);
      context.text(lines.length === 0 ? "none\n" : `${lines.join("\n")}\n`);
    });
  review
    .command("decide <id>")
    .description("let one value stand, one of those listed or another; every tier takes it over")
    .requiredOption("--tenant <id>", "the tenant")
    .option("--value <value>", "the value that stands")
    .option("--no-value", "no value stands")
    .option("--author <name>", "who decides; it stands in the audit log", userInfo().username)
    .action(async (id: string, { tenant, value, author }: DecideOptions) => {
      if (value === undefined || value === true)
        throw new HayloftError("request-invalid", { part: "value", expected: "--value <value> or --no-value" });
      if (!UUID.test(id)) throw new HayloftError("not-found", { what: "review", id: id.slice(0, 64) });
      const stands = value === false ? null : value;
      const commit = await context.withDatabase(
        async (db) =>
          await decideReview(db, farmCatalog, { tenant, id }, { value: stands, author, also: auditReview(author, stands) }),
      );
      context.record({ id, value: stands, origin: commit.origin, seq: commit.seq });
    });
}
