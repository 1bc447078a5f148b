import type { Column } from "./column.ts";
import { latticeFault, latticeValues } from "./lattice-order.ts";
import type { Report } from "./lint-catalog.ts";
import type { ColumnRule } from "./rule.ts";
import { identityColumns } from "./table-facts.ts";
import type { Table } from "./table.ts";

/** The rules of a table and its columns name what exists and can do what they promise. */
export function lintRules(table: Table, report: Report): void {
  const { rule } = table;
  const identity = identityColumns(table);
  for (const [name, own] of Object.entries(rule.columns)) {
    const column = table.columns[name];
    if (column === undefined) {
      report("rule", `The rule names the column ${name}, which does not exist.`);
      continue;
    }
    if (table.primaryKey.includes(name)) report("rule", `The key column ${name} has a rule; keys never change.`);
    if (own.kind === "derived" && identity.includes(name))
      report("rule", `The scope column ${name} is derived and would not travel.`);
    if (own.kind === "derived" && !column.isNullable && column.defaultSql === null) {
      report("rule", `The derived column ${name} is NOT NULL without a default, so other tiers could not store its rows.`);
    }
    lintColumnRule(name, column, own, report);
    if (own.kind === "document") lintDocumentPlace(table, name, report);
  }
  if (rule.kind === "monotoneRow") {
    const by = table.columns[rule.by];
    if (by === undefined) report("rule", `The rule names the column ${rule.by}, which does not exist.`);
    else if (by.isNullable) report("rule", `The column ${rule.by}, which decides between rows, is nullable.`);
  }
  if (rule.kind === "naturalKey") lintNaturalKey(table, rule.key, report);
}

/** What the top folds of a document's history goes down; and two edits together need not be unique. */
function lintDocumentPlace(table: Table, name: string, report: Report): void {
  if (table.flow !== "both")
    report("memory", `The document ${name} is in a table with the flow ${table.flow}: documents need both.`);
  if (table.unique.some(({ columns }) => columns.includes(name)))
    report("memory", `The document ${name} is part of a unique key.`);
}

function lintNaturalKey(table: Table, key: readonly string[], report: Report): void {
  for (const name of key) {
    if (table.columns[name] === undefined) report("natural-key", `The key column ${name} does not exist.`);
    if (table.rule.columns[name] !== undefined)
      report("natural-key", `The key column ${name} has a rule of its own; keys never change.`);
    // Such values can be equal and still have different texts, so that equal keys would get different ids.
    const kind = table.columns[name]?.type.kind;
    if (kind === "double" || kind === "jsonb")
      report("natural-key", `The key column ${name} is a ${kind}, which has no one text form.`);
  }
  if (key[0] !== table.scope.tenant) report("natural-key", `The natural key begins with ${table.scope.tenant}.`);
  const wanted = [...key].toSorted().join(",");
  if (!table.unique.some(({ columns, where }) => where === undefined && [...columns].toSorted().join(",") === wanted)) {
    report("natural-key", `The natural key (${key.join(", ")}) has no unique key.`);
  }
  const id = table.columns["id"];
  if (id?.type.kind !== "uuid" || !table.primaryKey.includes("id")) {
    report("natural-key", "A table with a natural key has a uuid column id in its primary key, which is derived from the key.");
  }
  for (const name of table.primaryKey) {
    if (name !== "id" && !key.includes(name))
      report("natural-key", `The primary key column ${name} is not part of the natural key.`);
  }
}

/** A counter begins at 0: what an insert leaves out would otherwise be a difference that no operation speaks of. */
function lintCounter(name: string, { type, isNullable, defaultSql }: Column, report: Report): void {
  if (type.kind !== "integer" && type.kind !== "bigint" && type.kind !== "numeric")
    report("memory", `The column ${name} counts, and is a ${type.kind}: make it an integer, bigint or numeric.`);
  if (isNullable)
    report("memory", `The column ${name} counts, and nothing is not a number: make it NOT NULL with the default 0.`);
  if (defaultSql !== null && defaultSql !== "0")
    report("memory", `The column ${name} counts, and its default is ${defaultSql}: a counter begins at 0.`);
}

/** The most that a document's declaration may allow: an operation on it stays within what a row may say of itself. */
const DOCUMENT_BYTES_MAX = 262_144;

function lintDocument(
  name: string,
  column: Column,
  rule: Extract<ColumnRule, { readonly kind: "document" }>,
  report: Report,
): void {
  const type = rule.format === "text" ? "text" : "jsonb";
  if (column.type.kind !== type)
    report("memory", `The column ${name} is a document of ${rule.format}, and is a ${column.type.kind}: make it ${type}.`);
  if (column.allowed !== null || column.condition !== null)
    report("memory", `The column ${name} is a document and has a CHECK: two edits that satisfy it need not do so together.`);
  if (!Number.isInteger(rule.bytesMax) || rule.bytesMax < 1 || rule.bytesMax > DOCUMENT_BYTES_MAX)
    report("memory", `The document ${name} holds 1 to ${String(DOCUMENT_BYTES_MAX)} bytes.`);
}

/** What an insert leaves out is the empty set, or operations would not lead from nothing to what is there. */
function lintSet(name: string, { type, isNullable, defaultSql }: Column, report: Report): void {
  if (type.kind !== "jsonb") report("memory", `The column ${name} is a set of texts, and is a ${type.kind}: make it jsonb.`);
  if (isNullable)
    report("memory", `The column ${name} is a set, and nothing is the empty set: make it NOT NULL with the default '[]'.`);
  if (defaultSql !== null && defaultSql !== "'[]'")
    report("memory", `The column ${name} is a set, and its default is ${defaultSql}: a set begins empty, as '[]'.`);
}

function lintColumnRule(name: string, column: Column, own: ColumnRule, report: Report): void {
  if (own.kind === "setOnce" && !column.isNullable)
    report("rule", `The column ${name} is set once, so it is null before: make it nullable.`);
  if (own.kind === "counter") lintCounter(name, column, report);
  if (own.kind === "document") lintDocument(name, column, own, report);
  if (own.kind === "setUnion") lintSet(name, column, report);
  if ((own.kind === "review" || own.kind === "custom") && (column.type.kind === "jsonb" || column.type.kind === "double"))
    report("memory", `The column ${name} keeps versions, and values of a ${column.type.kind} can be equal and look different.`);
  if (own.kind !== "monotone") return;
  if (own.order === "or") {
    if (column.type.kind !== "boolean") report("rule", `The column ${name} only turns true, and is no boolean.`);
    return;
  }
  if (own.order === "max" || own.order === "min") {
    if (column.type.kind === "jsonb" || column.type.kind === "boolean")
      report("rule", `The column ${name} has no greatest value.`);
    return;
  }
  const fault = latticeFault(own.order);
  if (fault !== null) report("lattice", `The order of ${name} is not sound: ${fault}.`);
  if (column.type.kind !== "text")
    report("lattice", `The column ${name} follows an order of texts and is a ${column.type.kind}.`);
  const values = latticeValues(own.order);
  const missing = (column.allowed ?? []).filter((value) => !values.includes(value));
  const unknown = column.allowed === null ? [] : values.filter((value) => column.allowed?.includes(value) !== true);
  if (column.allowed === null) report("lattice", `The column ${name} follows an order; list its values with oneOf.`);
  if (missing.length > 0) report("lattice", `The order of ${name} leaves out ${missing.join(", ")}.`);
  if (unknown.length > 0) report("lattice", `The order of ${name} names ${unknown.join(", ")}, which the column does not allow.`);
}
