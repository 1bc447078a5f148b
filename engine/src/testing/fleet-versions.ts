import type { Catalog } from "../catalog/catalog.ts";
import { catalog } from "../catalog/catalog.ts";
import { boolean, integer, numeric, oneOf, text, uuid } from "../catalog/column.ts";
import type { CatalogVersion } from "../catalog/history.ts";
import {
  addedColumn,
  addedTable,
  changedRule,
  convertedColumn,
  droppedColumn,
  renamedColumn,
  renamedTable,
  tightened,
} from "../catalog/history.ts";
import { appendOnly, column, lastWriterWins, singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import type { Table } from "../catalog/table.ts";
import { nodeTable } from "../identity/node-table.ts";
import type { Migration } from "../migrate/migration.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";

/** One version of an application: what a replica of it is opened with. */
export interface FleetVersion {
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
}

const tiers = ["cloud", "edge", "tablet"] as const;
const base = {
  group: "fleet",
  category: "operational",
  about: "A table of the tests.",
  scope: { tenant: "tenant_id" },
  retain: { cloud: forever, edge: forever, tablet: forever },
} as const;
const shared = { ...base, writers: [...tiers], flow: "both" } as const;
const below = { ...base, writers: ["edge", "tablet"], flow: "up", rule: appendOnly() } as const;
const above = { ...base, writers: ["cloud"], flow: "down", rule: singleWriter("cloud") } as const;
const key = { tenant_id: text(), id: text() };

const place = table("place", { ...above, columns: { ...key, name: text() } });
const note = table("note", { ...shared, rule: lastWriterWins(), columns: { ...key, body: text(), mood: text().nullable() } });
const gauge = table("gauge", { ...shared, rule: lastWriterWins(), columns: { ...key, level: integer() } });
const reading = table("reading", { ...below, columns: { ...key, id: uuid(), value: integer(), unit: oneOf("c", "f") } });

const colouredPlace = table("place", { ...above, columns: { ...place.columns, colour: text().default("'grey'") } });
const pinnedNote = table("note", {
  ...shared,
  rule: lastWriterWins(),
  columns: { ...key, words: text(), mood: text().nullable(), pinned: boolean().default("false") },
});
const exactReading = table("reading", { ...below, columns: { ...reading.columns, value: numeric(10, 2) } });
const tag = table("tag", { ...shared, rule: lastWriterWins(), columns: { ...key, label: text() } });

const site = table("site", { ...above, columns: colouredPlace.columns });
const moodlessNote = table("note", {
  ...shared,
  rule: lastWriterWins(),
  columns: { ...key, words: text(), pinned: boolean().default("false") },
});
const risingGauge = table("gauge", {
  ...shared,
  rule: lastWriterWins({ columns: { level: column.max() } }),
  columns: gauge.columns,
});
const checkedReading = table("reading", {
  ...below,
  columns: { ...reading.columns, value: numeric(10, 2).check("{} >= 0"), unit: oneOf("c", "f", "k") },
});
const weighedTag = table("tag", { ...shared, rule: lastWriterWins(), columns: { ...tag.columns, weight: integer().nullable() } });

const history: readonly CatalogVersion[] = [
  {
    version: 2,
    changes: [
      renamedColumn("note", "body", "words"),
      addedColumn("note", "pinned"),
      addedColumn("place", "colour"),
      addedTable("tag"),
      convertedColumn("reading", "value", integer(), {
        up: (value) => (value === null ? null : `${value}.00`),
        down: (value) => (value === null ? null : (value.split(".")[0] ?? value)),
      }),
    ],
  },
  {
    version: 3,
    changes: [
      renamedTable("place", "site"),
      droppedColumn("note", "mood", text().nullable()),
      changedRule("gauge", gauge.rule),
      tightened("reading", "a value is not negative"),
      convertedColumn("reading", "unit", oneOf("c", "f"), { up: (unit) => unit, down: (unit) => (unit === "k" ? "c" : unit) }),
      addedColumn("tag", "weight"),
    ],
  },
];

const catalogOf = (version: number, tables: readonly Table[]): Catalog =>
  catalog({
    name: "fleet",
    version,
    oldestVersion: 1,
    history: history.filter((item) => item.version <= version),
    tiers,
    scopes: [],
    sharedTenant: "everyone",
    tables: [nodeTable(tiers), ...tables],
  });

const first = catalogOf(1, [place, note, gauge, reading]);
const second = catalogOf(2, [colouredPlace, pinnedNote, gauge, exactReading, tag]);
const third = catalogOf(3, [site, moodlessNote, risingGauge, checkedReading, weighedTag]);

const migrations: readonly Migration[] = [
  { name: "0001_initial", sql: catalogDdl(first) },
  {
    name: "0002_second",
    sql: `ALTER TABLE note RENAME COLUMN body TO words;
ALTER TABLE note ADD COLUMN pinned boolean NOT NULL DEFAULT false;
ALTER TABLE place ADD COLUMN colour text COLLATE "C" NOT NULL DEFAULT 'grey';
ALTER TABLE reading ALTER COLUMN value TYPE numeric(10, 2);
${catalogDdl(catalog({ ...second, tables: [tag] }))}`,
  },
  {
    name: "0003_third",
    sql: `ALTER TABLE place RENAME TO site;
ALTER TABLE site RENAME CONSTRAINT place_pkey TO site_pkey;
ALTER TABLE note DROP COLUMN mood;
ALTER TABLE reading ADD CONSTRAINT reading_value_check CHECK (value >= 0) NOT VALID;
ALTER TABLE reading DROP CONSTRAINT reading_unit_allowed_check;
ALTER TABLE reading ADD CONSTRAINT reading_unit_allowed_check CHECK (unit IN ('c', 'f', 'k'));
ALTER TABLE tag ADD COLUMN weight integer;`,
  },
];

/**
 * Three versions of a small application, for tests of replicas that differ. The second renames, adds and converts columns and adds a
 * table; the third renames a table, drops a column, changes a rule, tightens a check and allows a value more.
 */
export const fleetVersions: readonly [FleetVersion, FleetVersion, FleetVersion] = [
  { catalog: first, migrations: migrations.slice(0, 1) },
  { catalog: second, migrations: migrations.slice(0, 2) },
  { catalog: third, migrations },
];
