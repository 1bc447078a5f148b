import { expect, it } from "vitest";
import { sampleCatalog } from "../sql/sample-catalog.ts";
import { catalog } from "./catalog.ts";
import { boolean, date, double, integer, jsonb, oneOf, text, timestamptz, uuid } from "./column.ts";
import { lintCatalog } from "./lint-catalog.ts";
import { appendOnly, column, derived, lastWriterWins, local, monotoneRow, naturalKey, singleWriter } from "./rule.ts";
import { days, forever, table } from "./table.ts";
import type { Columns, Table, TableOptions } from "./table.ts";

const columns = { tenant_id: text(), id: uuid(), farm_id: text(), name: text() };
const sound: TableOptions<Columns> = {
  about: "A table.",
  group: "sample",
  category: "master",
  columns,
  indexes: [["tenant_id", "farm_id"]],
  scope: { tenant: "tenant_id", farm: "farm_id" },
  writers: ["cloud", "edge"],
  flow: "both",
  rule: lastWriterWins(),
  retain: { cloud: forever, edge: forever },
};
const target: Table = table<"target", Columns>("target", {
  ...sound,
  columns: { tenant_id: text(), id: text(), farm_id: text() },
  retain: { cloud: forever },
});

/** The names of the rules that a catalog with this table breaks. */
function rulesBroken(changes: Partial<TableOptions<Columns>>, name = "sample"): readonly string[] {
  const tables: readonly Table[] = [table(name, { ...sound, ...changes }), target];
  const made = catalog({
    name: "sample",
    version: 1,
    oldestVersion: 1,
    tiers: ["cloud", "edge"],
    scopes: ["farm"],
    sharedTenant: "shared",
    tables,
  });
  return [...new Set(lintCatalog(made).flatMap((fault) => (fault.table === name ? [fault.rule] : [])))].toSorted();
}

const cases: Readonly<Record<string, readonly [changes: Partial<TableOptions<Columns>>, rules: readonly string[]]>> = {
  "a sound table": [{}, []],
  "S0.1 no description, group or category": [{ about: "", group: " ", category: "" }, ["about", "category", "group"]],
  "S0.1 S9.9 no retention": [{ retain: {} }, ["retain", "writers"]],
  "S0.1 no writers": [{ writers: [] }, ["writers"]],
  "a single writer below the top, whose nodes could write the same row": [{ rule: singleWriter("edge") }, ["writers"]],
  "a single writer at the top": [{ rule: singleWriter("cloud") }, []],
  "an unknown tier": [
    { writers: ["moon"], retain: { cloud: forever, moon: forever }, hidden: { moon: [] } },
    ["hidden", "retain", "writers"],
  ],
  "an unknown scope dimension": [{ scope: { tenant: "tenant_id", galaxy: "farm_id" } }, ["scope", "scope-index"].slice(0, 1)],
  "a scope column that does not exist": [{ scope: { tenant: "tenant_id", farm: "nowhere" } }, ["scope", "scope-index"]],
  "S8.5 a scope column without index": [{ indexes: [] }, ["scope-index"]],
  "S7.2 a primary key that does not begin with the tenant": [{ primaryKey: ["id", "tenant_id"] }, ["primary-key"]],
  "S7.2 a unique key that does not begin with the tenant": [{ unique: [{ columns: ["name"] }] }, ["unique"]],
  "an index that does not begin with the tenant": [{ indexes: [["tenant_id", "farm_id"], ["name desc"]] }, ["index"]],
  "a nullable tenant": [{ columns: { ...columns, tenant_id: text().nullable() } }, ["primary-key", "tenant"]],
  "S3.3 a nullable column in a unique key": [
    { columns: { ...columns, code: text().nullable() }, unique: [{ columns: ["tenant_id", "code"] }] },
    ["unique-null"],
  ],
  "S3.3 a nullable column in a unique key that treats nulls as equal": [
    { columns: { ...columns, code: text().nullable() }, unique: [{ columns: ["tenant_id", "code"], nullsNotDistinct: true }] },
    [],
  ],
  "S3.3 a nullable column in a partial unique key that leaves nulls out": [
    { columns: { ...columns, code: text().nullable() }, unique: [{ columns: ["tenant_id", "code"], where: "code IS NOT NULL" }] },
    [],
  ],
  "S7.2 a reference that does not begin with the tenant": [
    { references: [{ columns: ["name", "farm_id"], table: "target" }], retain: { cloud: forever }, writers: ["cloud"] },
    ["reference-index", "reference-tenant"],
  ],
  "a reference of the wrong width": [
    { references: [{ columns: ["tenant_id"], table: "target" }], retain: { cloud: forever }, writers: ["cloud"] },
    ["reference"],
  ],
  "a reference of another type": [
    { references: [{ columns: ["tenant_id", "id"], table: "target" }], retain: { cloud: forever }, writers: ["cloud"] },
    ["reference"],
  ],
  "S8.5 a reference without index": [
    { references: [{ columns: ["tenant_id", "name"], table: "target" }], retain: { cloud: forever }, writers: ["cloud"] },
    ["reference-index"],
  ],
  "a reference to a table that a tier does not keep": [
    {
      references: [{ columns: ["tenant_id", "name"], table: "target" }],
      indexes: [
        ["tenant_id", "farm_id"],
        ["tenant_id", "name"],
      ],
    },
    ["reference-retain"],
  ],
  "a reference that would change rows of an append-only table": [
    {
      columns: { ...columns, name: text().nullable() },
      indexes: [
        ["tenant_id", "farm_id"],
        ["tenant_id", "name"],
      ],
      references: [{ columns: ["tenant_id", "name"], table: "target", onParentDeleted: "detach" }],
      rule: appendOnly(),
      retain: { cloud: forever },
      writers: ["cloud"],
    },
    ["reference-detach"],
  ],
  "a reference to an unknown table": [{ references: [{ columns: ["tenant_id", "name"], table: "nowhere" }] }, ["reference"]],
  "S7.3 a name that is not snake_case": [{ columns: { ...columns, farmName: text() } }, ["names"]],
  "S7.3 a time that is no timestamptz, a date that is no date": [
    { columns: { ...columns, seen_at: text(), record_date: timestamptz() } },
    ["names"],
  ],
  "a reserved prefix": [{ columns: { ...columns, hayloft_x: text() } }, ["reserved"]],
  "too many columns": [
    { columns: { ...columns, ...Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`c${index}`, text()])) } },
    ["columns"],
  ],
  "S8.4 a partition column that the keys leave out": [
    {
      columns: { ...columns, made_at: timestamptz() },
      partition: { by: "made_at", every: "month" },
      unique: [{ columns: ["tenant_id", "name"] }],
    },
    ["partition"],
  ],
  "a hidden column that must have a value": [{ hidden: { edge: ["name"] } }, ["hidden"]],
  "a hidden key or scope column": [
    { hidden: { edge: ["farm_id"] }, columns: { ...columns, farm_id: text().nullable() } },
    ["hidden"],
  ],
  "a hidden column with a default": [{ hidden: { edge: ["name"] }, columns: { ...columns, name: text().default("''") } }, []],
  "a retention by a column that is no time": [{ retain: { cloud: forever, edge: days(3, "name") } }, ["retain"]],
  "a retention of no days": [
    { retain: { cloud: forever, edge: days(0, "seen_at") }, columns: { ...columns, seen_at: timestamptz() } },
    ["retain"],
  ],
  "S4.1 a single writer that is no writer": [{ rule: singleWriter("edge"), writers: ["cloud"] }, ["writers"]],
  "S4.1 a writer below of a table that flows down": [{ rule: singleWriter("cloud"), flow: "down" }, ["writers"]],
  "S4.2 a writer below of one column of a table that flows down": [
    { rule: singleWriter("cloud", { columns: { name: column.singleWriter("edge") } }), flow: "down" },
    [],
  ],
  "a top-only table that others write or keep": [{ flow: "top" }, ["retain", "writers"]],
  "a local rule with another flow": [{ rule: local() }, ["flow"]],
  "a derived table with another flow": [{ rule: derived() }, ["flow"]],
  "a local flow with another rule": [{ flow: "local" }, ["flow"]],
  "a writer that keeps no rows": [{ retain: { cloud: forever } }, ["writers"]],
  "a rule of a column that does not exist": [{ rule: lastWriterWins({ columns: { nowhere: column.max() } }) }, ["rule"]],
  "a rule of a key column": [{ rule: lastWriterWins({ columns: { id: column.max() } }) }, ["rule"]],
  "a derived column that must have a value": [{ rule: lastWriterWins({ columns: { name: column.derived() } }) }, ["rule"]],
  "a set-once column that is never null": [{ rule: lastWriterWins({ columns: { name: column.setOnce() } }) }, ["rule"]],
  "or of a text": [{ rule: lastWriterWins({ columns: { name: column.or() } }) }, ["rule"]],
  "or of a boolean": [{ columns: { ...columns, done: boolean() }, rule: lastWriterWins({ columns: { done: column.or() } }) }, []],
  "the greatest of JSON": [
    { columns: { ...columns, doc: jsonb() }, rule: lastWriterWins({ columns: { doc: column.max() } }) },
    ["rule"],
  ],
  "a monotone row by an unknown column": [{ rule: monotoneRow("nowhere") }, ["rule"]],
  "a lattice with a circle": [
    {
      columns: { ...columns, status: oneOf("a", "b") },
      rule: lastWriterWins({ columns: { status: column.lattice({ a: ["b"], b: ["a"] }) } }),
    },
    ["lattice"],
  ],
  "a lattice without a join": [
    {
      columns: { ...columns, status: oneOf("a", "b", "c") },
      rule: lastWriterWins({ columns: { status: column.lattice({ a: ["b", "c"] }) } }),
    },
    ["lattice"],
  ],
  "a lattice with two joins": [
    {
      columns: { ...columns, status: oneOf("a", "b", "c", "d", "e") },
      rule: lastWriterWins({ columns: { status: column.lattice({ a: ["c", "d"], b: ["c", "d"], c: ["e"], d: ["e"] }) } }),
    },
    ["lattice"],
  ],
  "a lattice that leaves out a value": [
    {
      columns: { ...columns, status: oneOf("a", "b", "c") },
      rule: lastWriterWins({ columns: { status: column.lattice({ a: ["b"] }) } }),
    },
    ["lattice"],
  ],
  "a lattice of free text": [{ rule: lastWriterWins({ columns: { name: column.lattice({ a: ["b"] }) } }) }, ["lattice"]],
  "a natural key without a unique key": [{ rule: naturalKey(["tenant_id", "name"]) }, ["natural-key"]],
  "a natural key with a unique key": [
    { rule: naturalKey(["tenant_id", "name"]), unique: [{ columns: ["tenant_id", "name"] }] },
    [],
  ],
  "a natural key over a number without one text form": [
    {
      columns: { ...columns, weight: double() },
      rule: naturalKey(["tenant_id", "weight"]),
      unique: [{ columns: ["tenant_id", "weight"] }],
    },
    ["natural-key"],
  ],
  "a natural key whose id is no uuid": [
    {
      columns: { ...columns, id: integer() },
      rule: naturalKey(["tenant_id", "name"]),
      unique: [{ columns: ["tenant_id", "name"] }],
    },
    ["natural-key"],
  ],
  "an enumeration without values": [{ columns: { ...columns, kind: oneOf() } }, ["values"]],
  "a date that may be anything": [{ columns: { ...columns, day: date().nullable() } }, []],
};

it("S7.2 S3.3 S8.5 lintCatalog names the rule that each unsound table breaks, and nothing else", () => {
  const found = Object.fromEntries(Object.entries(cases).map(([name, [changes]]) => [name, rulesBroken(changes)]));
  expect(found).toEqual(Object.fromEntries(Object.entries(cases).map(([name, [, rules]]) => [name, rules])));
});

it("lintCatalog finds nothing in a sound catalog, and the faults of a catalog as a whole", () => {
  expect(lintCatalog(sampleCatalog)).toEqual([]);
  const twice = catalog({
    ...sampleCatalog,
    tiers: ["cloud", "cloud"],
    version: 0,
    sharedTenant: "",
    scopes: ["tenant"],
    tables: [target, target],
  });
  const rules = new Set(lintCatalog(twice).flatMap((fault) => (fault.table === "" ? [fault.rule] : [])));
  expect([...rules].toSorted()).toEqual(["names", "scopes", "shared-tenant", "tiers", "version"]);
});
