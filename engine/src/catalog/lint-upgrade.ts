import { catalogLens } from "../lens/catalog-lens.ts";
import type { Catalog } from "./catalog.ts";
import type { CatalogFault } from "./lint-catalog.ts";
import { type RecordedColumn, type RecordedTable, type RecordedVersion, recordVersion } from "./recorded-version.ts";

interface Compared {
  readonly version: number;
  readonly table: string;
  /** As the version was released. */
  readonly was: RecordedTable;
  /** As the history makes it from the present catalog. */
  readonly made: RecordedTable;
  /** The history says of the table that it refuses more than then. */
  readonly isTightened: boolean;
  readonly report: (message: string) => void;
}

/**
 * Every way in which the catalog would strand a version that it says it supports: what was recorded of each released version is
 * compared with what the history makes of the present one. `recorded` holds all versions that were ever released.
 */
export function lintUpgrade(catalog: Catalog, recorded: readonly RecordedVersion[]): readonly CatalogFault[] {
  const faults: CatalogFault[] = [];
  const lens = catalogLens(catalog);
  for (const { version, tables } of recorded) {
    if (version < catalog.oldestVersion || version > catalog.version || !lens.knows(version)) continue;
    const made = recordVersion({ version, tables: [...lens.tablesAt(version).values()] }).tables;
    for (const table of new Set([...Object.keys(tables), ...Object.keys(made)])) {
      const report = (message: string): void => {
        faults.push({ table, rule: "stranded", message: `Version ${String(version)} is supported: ${message}` });
      };
      const was = tables[table];
      const now = made[table];
      if (was === undefined) report(`it has no table ${table}. Declare addedTable("${table}") in the history.`);
      else if (now === undefined) report(goneTable(table));
      else compareTables({ version, table, was, made: now, isTightened: isTightened(catalog, version, table), report });
    }
  }
  return faults;
}

const goneTable = (table: string): string =>
  `its table ${table} is gone, and what it still writes there would be refused. Declare renamedTable, or droppedTable with the reason why that may be discarded; or keep the table until oldestVersion is above it.`;

/** True when a later version says so of the table, under the name it has there. */
function isTightened(catalog: Catalog, version: number, table: string): boolean {
  let name = table;
  for (const { version: of, changes } of catalog.history) {
    if (of <= version) continue;
    for (const change of changes) {
      if (change.kind === "renamedTable" && change.from === name) name = change.to;
      if (change.kind === "tightened" && change.table === name) return true;
    }
  }
  return false;
}

function compareTables(compared: Compared): void {
  const { table, was, made, report } = compared;
  const before = new Map(was.columns.map((column) => [column.name, column]));
  const after = new Map(made.columns.map((column) => [column.name, column]));
  for (const [name, column] of before) {
    const now = after.get(name);
    if (now === undefined) {
      report(
        `its column ${table}.${name} is gone. Declare renamedColumn or droppedColumn; or keep it until oldestVersion is above.`,
      );
    } else compareColumns(compared, column, now);
  }
  for (const name of after.keys()) {
    if (!before.has(name))
      report(`it has no column ${table}.${name}. Declare addedColumn("${table}", "${name}") in the history.`);
  }
  compareWhole(compared);
  compareConstraints(compared);
}

function compareColumns(compared: Compared, was: RecordedColumn, made: RecordedColumn): void {
  const { table, report, isTightened: tightened } = compared;
  const name = `${table}.${was.name}`;
  const more = (made.allowed ?? []).filter((value) => was.allowed?.includes(value) === false);
  if (!same(was.type, made.type)) {
    report(`the type of ${name} was another one. Declare convertedColumn with conversions both ways.`);
  } else if (made.isNullable && !was.isNullable) {
    report(`${name} could not be null. Declare convertedColumn; its down says what null is there.`);
  } else if (was.allowed !== null && (made.allowed === null || more.length > 0)) {
    report(
      `${name} does not allow ${more.join(", ") || "all values"}. Declare convertedColumn; its down says what they are there.`,
    );
  } else if (!tightened && (!same(was, { ...made, name: was.name }) || was.isNullable !== made.isNullable)) {
    report(`${name} allowed values that are refused now. Declare tightened("${table}", …) or convertedColumn.`);
  }
}

function compareWhole({ table, was, made, report, isTightened: tightened }: Compared): void {
  if (!same(was.primaryKey, made.primaryKey)) {
    report(`the primary key of ${table} was another one, which no lens bridges. Make a new table, or raise oldestVersion above.`);
  }
  const travels = ({ flow }: RecordedTable): boolean => flow !== "top" && flow !== "local";
  if (travels(was) !== travels(made)) {
    report(
      `${table} ${travels(was) ? "was" : "was not"} replicated, which no lens bridges. Make a new table, or raise oldestVersion above.`,
    );
  }
  if (!same(was.rule, made.rule)) {
    report(`the rule of ${table} was another one. Declare changedRule("${table}", …) with it, so that both end equal.`);
  }
  if (!tightened && was.writers.some((tier) => !made.writers.includes(tier))) {
    report(`a tier wrote ${table} that may not any more. Declare tightened("${table}", …): what it writes is refused and kept.`);
  }
}

function compareConstraints({ table, was, made, report, isTightened: tightened }: Compared): void {
  for (const part of ["unique", "references", "checks"] as const) {
    const before = new Set(Object.entries(was[part]).map(([name, value]) => textOf(part, name, value)));
    const after = new Set(Object.entries(made[part]).map(([name, value]) => textOf(part, name, value)));
    if ([...before].some((item) => !after.has(item))) {
      report(
        `one of its ${part} on ${table} is gone or changed, so it would refuse what this version allows. Keep it until oldestVersion is above.`,
      );
    } else if (!tightened && before.size < after.size) {
      report(
        `${table} has more ${part} than it had. Declare tightened("${table}", …): what it writes against them is refused and kept.`,
      );
    }
  }
}

const textOf = (part: string, name: string, value: unknown): string =>
  (part === "checks" ? `${name} ` : "") + JSON.stringify(value);

const same = (left: unknown, right: unknown): boolean => JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));

/** The value with the keys of every object in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
