import { describe, expect, it } from "vitest";
import { fleetVersions } from "../testing/fleet-versions.ts";
import type { CatalogOptions } from "./catalog.ts";
import { catalog } from "./catalog.ts";
import { bigint, integer, oneOf, text } from "./column.ts";
import type { CatalogChange } from "./history.ts";
import { addedColumn, addedTable, changedRule, convertedColumn, droppedColumn, renamedColumn, tightened } from "./history.ts";
import { lintCatalog } from "./lint-catalog.ts";
import { lintUpgrade } from "./lint-upgrade.ts";
import { recordVersion } from "./recorded-version.ts";
import { appendOnly, lastWriterWins } from "./rule.ts";
import type { Table } from "./table.ts";

const [first] = fleetVersions;
const base = first.catalog;

/** The first version's catalog as a second one: `change` alters its tables, `declared` is what the history says. */
function next(name: string, change: (table: Table) => Partial<Table> | null, declared: readonly CatalogChange[] = []) {
  const tables = base.tables.flatMap((table): Table[] => {
    if (table.name !== name) return [table];
    const changed = change(table);
    return changed === null ? [] : [{ ...table, ...changed }];
  });
  const options: CatalogOptions<readonly Table[]> = { ...base, version: 2, history: [{ version: 2, changes: declared }], tables };
  return catalog(options);
}

const strandedBy = (of: ReturnType<typeof next>): readonly string[] =>
  lintUpgrade(of, [recordVersion(base)]).map(({ message }) => message);
const historyFaults = (of: ReturnType<typeof next>): readonly string[] =>
  lintCatalog(of).flatMap(({ rule, message }) => (rule === "history" ? [message] : []));

const withColumn = (table: Table, columns: Table["columns"]): Partial<Table> => ({ columns: { ...table.columns, ...columns } });

describe("the check of an upgrade", () => {
  it("S11.5 F-F1 nothing is said of the fleet's versions, each against all before it", () => {
    const recorded = fleetVersions.map((version) => recordVersion(version.catalog));
    for (const { catalog: of } of fleetVersions) expect(lintUpgrade(of, recorded.slice(0, of.version))).toEqual([]);
  });

  it.each<[string, ReturnType<typeof next>, RegExp]>([
    ["a table that is gone", next("gauge", () => null), /its table gauge is gone.*droppedTable with the reason/],
    [
      "a column that is gone",
      next("note", (table) => ({
        columns: Object.fromEntries(Object.entries(table.columns).filter(([name]) => name !== "mood")),
      })),
      /note\.mood is gone.*renamedColumn or droppedColumn/,
    ],
    [
      "a new column",
      next("note", (table) => withColumn(table, { more: text().nullable() })),
      /no column note\.more.*addedColumn\("note", "more"\)/,
    ],
    [
      "another type",
      next("gauge", (table) => withColumn(table, { level: bigint() })),
      /the type of gauge\.level was another one.*conversions both ways/,
    ],
    [
      "a column that may be null now",
      next("gauge", (table) => withColumn(table, { level: integer().nullable() })),
      /gauge\.level could not be null/,
    ],
    [
      "a column that may not be null any more",
      next("note", (table) => withColumn(table, { mood: text() })),
      /note\.mood allowed values that are refused now/,
    ],
    [
      "a value more",
      next("reading", (table) => withColumn(table, { unit: oneOf("c", "f", "k") })),
      /reading\.unit does not allow k/,
    ],
    [
      "a value less",
      next("reading", (table) => withColumn(table, { unit: oneOf("c") })),
      /reading\.unit allowed values that are refused now/,
    ],
    ["a check", next("gauge", (table) => withColumn(table, { level: integer().check("{} > 0") })), /tightened\("gauge"/],
    ["another rule", next("note", () => ({ rule: appendOnly() })), /the rule of note was another one/],
    ["another key", next("note", () => ({ primaryKey: ["tenant_id"] })), /primary key of note.*no lens bridges/],
    ["fewer writers", next("note", () => ({ writers: ["cloud"] })), /a tier wrote note that may not any more/],
    ["a table that does not travel any more", next("note", () => ({ flow: "top" })), /note was replicated/],
    [
      "a unique key more",
      next("note", () => ({ unique: [{ columns: ["tenant_id", "body"] }] })),
      /note has more unique than it had/,
    ],
  ])("F-F1 F-F7 refuses %s that nobody declared, and says what to do", (_, of, message) => {
    expect(strandedBy(of)).toEqual([expect.stringMatching(message)]);
  });

  it("F-F6 F-F7 what is declared is bridged", () => {
    expect(strandedBy(next("note", () => ({ rule: appendOnly() }), [changedRule("note", lastWriterWins())]))).toEqual([]);
    const checked = (table: Table): Partial<Table> => withColumn(table, { level: integer().check("{} > 0") });
    expect(strandedBy(next("gauge", checked, [tightened("gauge", "positive")]))).toEqual([]);
  });

  it("refuses a check that is gone, because older replicas would refuse what this one allows", () => {
    const unique = next("note", () => ({ unique: [{ columns: ["tenant_id", "body"] }] }));
    const now = catalog({ ...base, version: 2, history: [{ version: 2, changes: [] }] });
    const before = recordVersion({ version: 1, tables: unique.tables });
    expect(lintUpgrade(now, [before]).map(({ message }) => message)).toEqual([expect.stringMatching(/unique on note is gone/)]);
  });
});

describe("the lint of a history", () => {
  it("S11.5 refuses a new column without a value for older rows", () => {
    const required = (table: Table): Partial<Table> => withColumn(table, { more: integer() });
    expect(historyFaults(next("note", required, [addedColumn("note", "more")]))).toEqual([
      expect.stringMatching(
        /note\.more is NOT NULL without a default.*Make it nullable, give it a plain default, or say with fill/,
      ),
    ]);
    expect(historyFaults(next("note", required, [addedColumn("note", "more", { fill: "0" })]))).toEqual([]);
    expect(historyFaults(next("note", required, [addedColumn("note", "more", { fill: null })]))).toEqual([
      expect.stringMatching(/cannot be null/),
    ]);
  });

  it("refuses what does not fit the tables, conversions of keys, and gaps", () => {
    const same = (): Partial<Table> => ({});
    const conversion = { up: (value: string | null) => value, down: (value: string | null) => value };
    const faults = (change: CatalogChange): readonly string[] => historyFaults(next("note", same, [change]));
    expect(faults(addedTable("nothing"))).toEqual([expect.stringMatching(/no table nothing/)]);
    expect(faults(renamedColumn("note", "a", "b"))).toEqual([expect.stringMatching(/no column note\.b/)]);
    expect(faults(droppedColumn("note", "body", text()))).toEqual([expect.stringMatching(/note\.body is still there/)]);
    expect(faults(convertedColumn("note", "id", text(), conversion))).toEqual([expect.stringMatching(/belongs to the key/)]);
    const gap = catalog({
      ...base,
      version: 4,
      history: [
        { version: 2, changes: [] },
        { version: 4, changes: [] },
      ],
    });
    expect(lintCatalog(gap).map(({ rule }) => rule)).toEqual(["history"]);
    const short = catalog({ ...base, version: 3, history: [{ version: 3, changes: [] }] });
    expect(lintCatalog(short).map(({ message }) => message)).toEqual([
      expect.stringMatching(/Version 1 is supported, and the history begins above it/),
    ]);
  });
});
