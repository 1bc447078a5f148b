import { readFile, writeFile } from "node:fs/promises";
import { checkReport, type Database, digestTables, HayloftError, reportText, signReport } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import type { Command } from "commander";
import { ensureHubIdentity } from "../identity/hub-identity.ts";
import type { CommandContext } from "./command-context.ts";

interface VerifyOptions {
  readonly tenant?: string;
  readonly check?: string;
  readonly out?: string;
}

/** `verify`: what the hub holds, or whether a node's report is the node's. */
export function addVerifyCommand(program: Command, context: CommandContext): void {
  program
    .command("verify")
    .description(
      "count and digest a tenant's rows in a signed report, or check one; nodes compare theirs with the hub's by themselves",
    )
    .option("--tenant <id>", "the tenant")
    .option("--out <file>", "write the report, signed with the hub's key")
    .option("--check <file>", "check a report of the hub or of an enrolled node instead")
    .action(async ({ tenant, check, out }: VerifyOptions) => {
      if (check !== undefined) {
        const text = await readFile(check, "utf8");
        const report = await context.withDatabase(async (database) => await checkKnown(context, database, text));
        show(context, report);
        context.note("the signature holds");
        return;
      }
      if (tenant === undefined) throw new HayloftError("request-invalid", { part: "tenant", expected: "--tenant <id>" });
      const signed = await context.withDatabase(async (database) => await digested(context, database, tenant));
      if (out !== undefined) await writeFile(out, `${JSON.stringify(signed)}\n`);
      show(context, checkReport(JSON.stringify(signed)));
    });
}

function show(context: CommandContext, report: Readonly<Record<string, unknown>>): void {
  if (context.json) context.record(report);
  else context.text(reportText(report));
}

async function digested(context: CommandContext, database: Database, tenant: string): Promise<ReturnType<typeof signReport>> {
  const identity = await ensureHubIdentity(database, context.loaded.settings.identity_file);
  const startedAt = new Date(context.nowMs());
  const tables = (await digestTables(database, farmCatalog, tenant)).map((table) => ({ tenant, ...table }));
  return signReport(identity, { startedAt, finishedAt: new Date(context.nowMs()), tenant, tables });
}

/** A report whose signature holds under the key that the registry has for its node. Throws `report-unproven` or `not-found`. */
async function checkKnown(context: CommandContext, database: Database, text: string): Promise<Readonly<Record<string, unknown>>> {
  const { node, tenant } = checkReport(text);
  const hub = await ensureHubIdentity(database, context.loaded.settings.identity_file);
  if (node === hub.nodeId) return checkReport(text, hub.publicKey);
  const { rows } = await database.query<{ public_key: string }>(
    "select public_key from replica_node where tenant_id = $1 and id::text = $2",
    [String(tenant), String(node)],
  );
  const [known] = rows;
  if (known === undefined) throw new HayloftError("not-found", { what: "node", id: String(node).slice(0, 64) });
  return checkReport(text, new Uint8Array(Buffer.from(known.public_key, "base64url")));
}
