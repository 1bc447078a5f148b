import type { Catalog } from "./catalog.ts";
import type { Report } from "./lint-catalog.ts";
import { isReplicated, keepsRowState } from "./table-facts.ts";
import type { Table } from "./table.ts";

/** Who writes a table must fit the way its changes travel and the rule that ends conflicts. */
export function lintWriters(catalog: Catalog, table: Table, report: Report): void {
  const { flow, rule, writers } = table;
  const [top] = catalog.tiers;
  for (const tier of writers) if (!catalog.tiers.includes(tier)) report("writers", `The tier ${tier} is unknown.`);
  if (rule.kind === "derived") {
    if (flow !== "local") report("flow", "A derived table is recomputed on each tier: its flow is local.");
    return;
  }
  if (rule.kind === "local" && flow !== "local") report("flow", "A table with the rule local has the flow local.");
  if (flow === "local" && rule.kind !== "local") report("flow", "A table with the flow local has the rule local or derived.");
  if (writers.length === 0) report("writers", "No tier may write the table.");
  if (flow === "top" && writers.some((tier) => tier !== top))
    report("writers", `With the flow top only ${top ?? "the top"} writes.`);
  if (flow === "top" && Object.keys(table.retain).some((tier) => tier !== top)) {
    report("retain", `With the flow top only ${top ?? "the top"} keeps rows.`);
  }
  const editors = new Set(Object.values(rule.columns).flatMap((own) => (own.kind === "singleWriter" ? [own.tier] : [])));
  if (flow === "down" && writers.some((tier) => tier !== top && !editors.has(tier) && !isShared(table))) {
    report("writers", `With the flow down the rows are written by ${top ?? "the top"}.`);
  }
  for (const tier of writers) {
    if (catalog.tiers.includes(tier) && table.retain[tier] === undefined) {
      report("writers", `The tier ${tier} writes the table and keeps no rows of it.`);
    }
  }
  if (rule.kind === "singleWriter" && !writers.includes(rule.tier)) {
    report("writers", `The rule names ${rule.tier} as the writer; the list of writers does not.`);
  }
  if (rule.kind === "singleWriter" && rule.tier !== top && !keepsRowState(table) && isReplicated(table)) {
    report(
      "writers",
      `The rule singleWriter("${rule.tier}") keeps no stamps, so two nodes of the tier ${rule.tier} that write the same row would not end equal. Use lastWriterWins() with writers: ["${rule.tier}"].`,
    );
  }
  for (const [name, own] of Object.entries(rule.columns)) {
    if (own.kind === "singleWriter" && !writers.includes(own.tier)) {
      report("writers", `The column ${name} is written by ${own.tier}, which is not in the list of writers.`);
    }
  }
}

/** True when some column has a rule that lets any writer change it. */
function isShared(table: Table): boolean {
  return Object.values(table.rule.columns).some((own) => own.kind !== "singleWriter" && own.kind !== "derived");
}
