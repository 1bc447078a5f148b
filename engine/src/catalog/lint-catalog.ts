import type { Catalog } from "./catalog.ts";
import { lintHistory } from "./lint-history.ts";
import { lintKeys } from "./lint-keys.ts";
import { lintRules } from "./lint-rules.ts";
import { lintWriters } from "./lint-writers.ts";
import type { Table } from "./table.ts";

/** One place where a catalog breaks the architecture. `table` is empty for faults of the catalog as a whole. */
export interface CatalogFault {
  readonly table: string;
  /** A short fixed name of the rule, for tests and messages. */
  readonly rule: string;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** Adds a fault of the table under examination. */
export type Report = (rule: string, message: string) => void;

/** More columns than this make a row that should be two. */
const COLUMNS_MAX = 100;
/** Names leave room for the suffixes of keys and partitions within Postgres' 63 bytes. */
const NAME_LENGTH_MAX = 50;

/** Everything in the catalog that the architecture forbids; empty when it is sound. */
export function lintCatalog(catalog: Catalog): readonly CatalogFault[] {
  const faults: CatalogFault[] = [];
  lintWhole(catalog, (rule, message) => faults.push({ table: "", rule, message }));
  for (const table of catalog.tables) {
    const report: Report = (rule, message) => faults.push({ table: table.name, rule, message });
    lintNames(table, report);
    lintDeclared(catalog, table, report);
    lintKeys(catalog, table, report);
    lintWriters(catalog, table, report);
    lintRules(table, report);
  }
  return faults;
}

function lintWhole(catalog: Catalog, report: Report): void {
  if (catalog.tables.length === 0) report("tables", "The catalog has no tables.");
  if (catalog.tiers.length === 0) report("tiers", "The catalog names no tiers; the first is the top.");
  if (new Set(catalog.tiers).size !== catalog.tiers.length) report("tiers", "A tier is named twice.");
  if (new Set(catalog.scopes).size !== catalog.scopes.length) report("scopes", "A scope dimension is named twice.");
  if (catalog.scopes.includes("tenant")) report("scopes", "The tenant is always the first scope; leave it out of the list.");
  if (!isSnakeCase(catalog.name)) report("names", `The catalog's name ${catalog.name} is not snake_case.`);
  if (!Number.isSafeInteger(catalog.version) || catalog.version < 1)
    report("version", "The version is a whole number from 1 on.");
  if (!Number.isSafeInteger(catalog.oldestVersion) || catalog.oldestVersion < 1 || catalog.oldestVersion > catalog.version) {
    report("version", "The oldest version lies between 1 and the version.");
  }
  lintHistory(catalog, report);
  if (catalog.sharedTenant === "") report("shared-tenant", "The shared tenant has no name.");
  if (catalog.byName.size !== catalog.tables.length) report("names", "Two tables have the same name.");
}

const isSnakeCase = (name: string): boolean => /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name);

function lintNames(table: Table, report: Report): void {
  const columns = Object.keys(table.columns);
  for (const name of [table.name, ...columns, ...Object.keys(table.checks)]) {
    if (!isSnakeCase(name)) report("names", `${name} is not snake_case.`);
    if (name.length > NAME_LENGTH_MAX) report("names", `${name} is longer than ${NAME_LENGTH_MAX} characters.`);
    if (/^(hayloft|pg)_/.test(name)) report("reserved", `${name} begins with a reserved prefix (hayloft_, pg_).`);
  }
  if (columns.length > COLUMNS_MAX) report("columns", `The table has ${columns.length} columns; at most ${COLUMNS_MAX}.`);
  for (const [name, column] of Object.entries(table.columns)) {
    if (name.endsWith("_at") && column.type.kind !== "timestamptz") report("names", `${name} ends in _at and is no timestamptz.`);
    if (name.endsWith("_date") && column.type.kind !== "date") report("names", `${name} ends in _date and is no date.`);
    if (column.type.kind === "numeric" && !(column.type.scale >= 0 && column.type.scale <= column.type.precision)) {
      report("numeric", `The scale of ${name} lies between 0 and its precision.`);
    }
    if (column.allowed?.length === 0) report("values", `${name} allows no value.`);
  }
}

function lintDeclared(catalog: Catalog, table: Table, report: Report): void {
  if (table.holdTogether !== null && (!isSnakeCase(table.holdTogether.group) || table.holdTogether.columns.length === 0))
    report("hold-together", "A unit that is held together has a snake_case name and at least one column.");
  if (!table.returns && table.flow !== "up") report("returns", "Only a table with the flow up can stay away from lower tiers.");
  if (table.about.trim() === "") report("about", "Say in one sentence what the table holds.");
  if (table.group.trim() === "") report("group", "Name the module the table belongs to.");
  if (table.category.trim() === "") report("category", "Name the table's category.");
  if (Object.keys(table.retain).length === 0) report("retain", "Say for at least one tier how long it keeps rows.");
  for (const [tier, retention] of Object.entries(table.retain)) {
    if (!catalog.tiers.includes(tier)) report("retain", `The tier ${tier} is unknown.`);
    if (retention.kind === "forever") continue;
    const column = table.columns[retention.column];
    if (column === undefined) report("retain", `The retention column ${retention.column} does not exist.`);
    else if (retention.kind === "days" && column.type.kind !== "timestamptz" && column.type.kind !== "date") {
      report("retain", `The retention column ${retention.column} is neither a time nor a date.`);
    }
    const count = retention.kind === "days" ? retention.days : retention.keep;
    if (!Number.isSafeInteger(count) || count < 1) report("retain", `The retention of ${tier} is not a whole number from 1 on.`);
  }
  for (const [dimension, column] of Object.entries(table.scope)) {
    if (dimension !== "tenant" && !catalog.scopes.includes(dimension))
      report("scope", `The scope dimension ${dimension} is unknown.`);
    if (table.columns[column] === undefined) report("scope", `The scope column ${column} does not exist.`);
  }
  for (const [tier, hidden] of Object.entries(table.hidden)) {
    if (!catalog.tiers.includes(tier)) report("hidden", `The tier ${tier} is unknown.`);
    for (const name of hidden) {
      const column = table.columns[name];
      if (column === undefined) report("hidden", `The hidden column ${name} does not exist.`);
      else if (!column.isNullable && column.defaultSql === null) {
        report("hidden", `The hidden column ${name} is NOT NULL without a default, so ${tier} could not store its rows.`);
      }
      if (table.primaryKey.includes(name) || Object.values(table.scope).includes(name)) {
        report("hidden", `The column ${name} belongs to the key or scope and cannot be hidden.`);
      }
    }
  }
}
