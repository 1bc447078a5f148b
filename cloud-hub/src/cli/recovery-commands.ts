import { beginRecovery, readRecovery, type RecoveryReport } from "@hayloft/engine";
import type { Command } from "commander";
import type { CommandContext } from "./command-context.ts";

/** `recovery report` and `recovery begin`. */
export function addRecoveryCommands(program: Command, context: CommandContext): void {
  const recovery = program.command("recovery").description("what came back after the hub's database was restored from a backup");
  recovery
    .command("report", { isDefault: true })
    .description("which logs began anew, what came from which node, what is gone for certain, who may hold more")
    .action(async () => {
      const report = await context.withDatabase(readRecovery);
      if (context.json) context.record(report);
      else context.text(recoveryText(report));
    });
  recovery
    .command("begin")
    .description("begin new logs now; a restore that changes the timeline or the cluster is noticed without this")
    .action(async () => {
      const report = await context.withDatabase(async (database) => {
        await beginRecovery(database, false);
        return await readRecovery(database);
      });
      context.record({ logs: report.logs.length, state: "begun" });
    });
}

/** The report in plain words. */
export function recoveryText({ logs, children, sent, gone, awaited }: RecoveryReport): string {
  if (logs.length === 0) return "This database was never restored, as far as it knows.\n";
  const lines = [
    ...logs.map(
      ({ tenant, position, at }) =>
        `${tenant}: restored; its log began anew at ${at.toISOString()}, behind position ${String(position)}`,
    ),
    ...children.map(
      ({ tenant, node, had, here, rowsOffered, rowsRestored, finishedAt }) =>
        `${tenant}: node ${node} had the lost log up to position ${String(had)} (here: ${String(here)}); it offered ${String(rowsOffered)} rows, ${String(rowsRestored)} of them were lost here or older${finishedAt === null ? "; not finished" : ""}`,
    ),
    ...sent.map(({ tenant, node, commits }) => `${tenant}: node ${node ?? "unknown"} has sent ${String(commits)} commits since`),
    ...gone.map(
      ({ tenant, node, origin, fromSeq, toSeq }) =>
        `${tenant}: gone for certain: commits ${String(fromSeq)} to ${String(toSeq)} of ${origin}; node ${node} holds them no more`,
    ),
    ...awaited.map(({ tenant, node }) => `${tenant}: node ${node} was not here since; it may hold more`),
    "What the hub itself wrote and no node had received, rows of the shared tenant and of tables that never leave the hub come back from the backup alone.",
  ];
  return `${lines.join("\n")}\n`;
}
