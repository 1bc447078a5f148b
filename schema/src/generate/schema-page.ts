import type { Catalog, Column, ColumnRule, Retention, RowRule, Table } from "@hayloft/engine";
import { leftOut } from "./left-out.ts";

const code = (text: string): string => `\`${text}\``;
const codes = (names: readonly string[]): string => names.map(code).join(", ");

const flowText: Readonly<Record<Table["flow"], string>> = {
  up: "up: from where it is written to the hub",
  down: "down: from the hub to the barns",
  both: "both ways",
  top: "stays at the hub",
  local: "never leaves its node",
};

function columnRuleText(rule: ColumnRule): string {
  if (rule.kind === "singleWriter") return `only ${rule.tier} writes`;
  if (rule.kind === "monotone") {
    return typeof rule.order === "string" ? rule.order : `only forward (${Object.keys(rule.order.lattice).join(" → ")})`;
  }
  if (rule.kind === "document") return `document (${rule.format}, ${rule.bytesMax} bytes)`;
  if (rule.kind === "review")
    return `both kept, a person decides; until then shows ${typeof rule.show === "string" ? rule.show : rule.show.tier}`;
  if (rule.kind === "custom") return `of concurrent values ${rule.rule.name} makes one`;
  const texts = {
    lastWriterWins: "last writer wins",
    setOnce: "set once",
    counter: "counter: differences add up",
    setUnion: "set: additions are all kept",
    derived: "derived",
  };
  return texts[rule.kind];
}

function ruleText(rule: RowRule): string {
  if (rule.kind === "singleWriter") return `only ${rule.tier} writes`;
  if (rule.kind === "monotoneRow") return `the row with the greatest ${code(rule.by)} wins whole`;
  if (rule.kind === "naturalKey")
    return `rows with equal ${codes(rule.key)} are one row; ${columnRuleText(rule.rest)}, per column`;
  const texts = {
    appendOnly: "append only",
    lastWriterWins: "last writer wins, per column",
    derived: "derived: computed where it is needed",
    local: "local",
  };
  return texts[rule.kind];
}

function retentionText(kept: Retention | undefined): string {
  if (kept === undefined) return "no rows";
  if (kept.kind === "days") return `${kept.days} days of ${code(kept.column)}`;
  if (kept.kind === "generations") return `the newest ${kept.keep} of ${code(kept.column)}`;
  return "for ever";
}

function typeText(column: Column): string {
  const { type } = column;
  const name = type.kind === "numeric" ? `numeric(${type.precision},${type.scale})` : type.kind;
  const values = column.allowed === null ? "" : ` {${column.allowed.join(", ")}}`;
  return `${name}${values}${column.isNullable ? ", may be null" : ""}`;
}

function overridesText(item: Table): readonly string[] {
  const byRule = new Map<string, string[]>();
  for (const [column, rule] of Object.entries(item.rule.columns)) {
    const text = columnRuleText(rule);
    byRule.set(text, [...(byRule.get(text) ?? []), column]);
  }
  return [...byRule].map(([text, columns]) => `${codes(columns)}: ${text}`);
}

const list = (name: string, values: readonly string[]): readonly string[] =>
  values.length === 0 ? [] : [`- ${name}: ${values.join("; ")}`];

function tableText(catalog: Catalog, item: Table): string {
  const owner =
    item.rule.kind === "singleWriter"
      ? item.rule.tier
      : item.writers.length === 1
        ? (item.writers[0] ?? "")
        : "whoever made the row";
  const hidden = Object.entries(item.hidden).map(([tier, columns]) => `${codes(columns)} from ${tier}`);
  return [
    `### ${item.name}`,
    "",
    item.about,
    "",
    `- Owner: ${owner}; written by ${item.writers.join(", ")}; category ${item.category}`,
    `- Direction: ${flowText[item.flow]}; lane ${item.lane}`,
    `- Rule: ${ruleText(item.rule)}`,
    ...list("Columns with a rule of their own", overridesText(item)),
    `- Kept: ${catalog.tiers.map((tier) => `${tier} ${retentionText(item.retain[tier])}`).join("; ")}`,
    `- Key: ${codes(item.primaryKey)}${item.partition === null ? "" : `; a partition for each ${item.partition.every} of ${code(item.partition.by)}`}`,
    ...list(
      "Unique",
      item.unique.map(
        (unique) =>
          `${codes(unique.columns)}${unique.where === undefined ? "" : ` where ${unique.where}`}${unique.nullsNotDistinct === true ? ", nulls equal" : ""}`,
      ),
    ),
    ...list(
      "Refers to",
      item.references.map((reference) => `${code(reference.table)} by ${codes(reference.columns)}`),
    ),
    ...list("Hidden", hidden),
    "",
    "| Column | Type |",
    "|---|---|",
    ...Object.entries(item.columns).map(([name, column]) => `| ${code(name)} | ${typeText(column)} |`),
    "",
  ].join("\n");
}

/** The page `docs/schema.md`: every table with its owner, direction, rule, retention, keys and columns. */
export function schemaPage(catalog: Catalog): string {
  const groups = [...new Set(catalog.tables.map((item) => item.group))];
  const overview = groups.map((group) => {
    const names = catalog.tables.filter((item) => item.group === group).map((item) => `[${item.name}](#${item.name})`);
    return `| ${group} | ${names.join(", ")} |`;
  });
  const sections = groups.map((group) =>
    [`## ${group}`, "", ...catalog.tables.filter((item) => item.group === group).map((item) => tableText(catalog, item))].join(
      "\n",
    ),
  );
  return [
    "# Schema",
    "",
    "Generated from the catalog by `npm run generate:docs -w schema`; a test holds it to the catalog.",
    "",
    `The catalog ${code(catalog.name)}, version ${catalog.version}, has ${catalog.tables.length} tables. Every tier (${catalog.tiers.join(", ")}) has all of them, with`,
    "the same columns, keys and checks; a tier that keeps no rows of a table has it empty. Who may write, which way rows travel and how",
    "concurrent changes end stand beside each table and are enforced on every replica.",
    "",
    "| Group | Tables |",
    "|---|---|",
    ...overview,
    "",
    ...sections,
    "## Not tables",
    "",
    "What earlier systems kept in tables of these names, and where it is now.",
    "",
    "| Name | Now |",
    "|---|---|",
    ...Object.entries(leftOut).map(([name, where]) => `| ${code(name)} | ${where} |`),
    "",
  ].join("\n");
}
