import { describe, expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import { integer, text } from "../catalog/column.ts";
import { addedColumn, droppedTable } from "../catalog/history.ts";
import { lintCatalog } from "../catalog/lint-catalog.ts";
import type { Change } from "../commit/commit.ts";
import { fleetVersions } from "../testing/fleet-versions.ts";
import { CatalogLens, catalogLens } from "./catalog-lens.ts";

const [first, second, third] = fleetVersions.map((version) => version.catalog) as [
  (typeof fleetVersions)[0]["catalog"],
  (typeof fleetVersions)[0]["catalog"],
  (typeof fleetVersions)[0]["catalog"],
];
const lens = catalogLens(third);

const change = (table: string, op: Change["op"], row: Readonly<Record<string, string | null>>): Change => ({
  table,
  op,
  columns: Object.keys(row),
  values: Object.values(row).map((value) => [value]),
  rowCount: 1,
});
const rowOf = (of: Change | undefined): unknown =>
  of === undefined
    ? undefined
    : { table: of.table, ...Object.fromEntries(of.columns.map((name, index) => [name, of.values[index]?.[0]])) };
const lift = (version: number, of: Change): unknown => rowOf(lens.lift(version, [of])[0]);
const lower = (version: number, of: Change): unknown => rowOf(lens.lower(version, [of])[0]);

describe("the lens of a catalog", () => {
  it("the three versions of the fleet are sound, and know each other", () => {
    for (const { catalog: of } of fleetVersions) expect(lintCatalog(of)).toEqual([]);
    expect([1, 2, 3, 4].map((version) => lens.knows(version))).toEqual([true, true, true, false]);
    expect(lens.tablesAt(1).get("place")).toEqual(first.byName.get("place"));
    expect([...lens.tablesAt(2).keys()].sort()).toEqual([...second.byName.keys()].sort());
    expect(lens.namesOf("site")).toEqual(["site", "place"]);
    expect([lens.nameAt(1, "tag"), lens.nameAt(2, "tag"), lens.nameAt(1, "site")]).toEqual([null, "tag", "place"]);
    expect([lens.ruleDiffers(2, "gauge"), lens.ruleDiffers(3, "gauge"), lens.ruleDiffers(1, "note")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([...lens.columnsIn(1, "note")]).toEqual([
      ["tenant_id", "tenant_id"],
      ["id", "id"],
      ["words", "body"],
    ]);
    expect([...lens.columnsIn(1, "reading").keys()]).toEqual(["tenant_id", "id"]);
    expect(lens.widened(1).toSorted()).toEqual(["gauge", "note", "reading", "site", "tag"]);
  });

  it("F-F1 lifts an insert: renamed, converted, dropped, and new columns as older than everything", () => {
    expect(lift(1, change("note", "insert", { tenant_id: "t", id: "n", body: "hay", mood: "good" }))).toEqual({
      table: "note",
      tenant_id: "t",
      id: "n",
      words: "hay",
      pinned: "false",
      $changed: "tenant_id,id,words",
    });
    expect(lift(1, change("place", "insert", { tenant_id: "t", id: "p", name: "Barn" }))).toMatchObject({
      table: "site",
      name: "Barn",
      colour: "grey",
    });
    expect(lift(1, change("reading", "insert", { tenant_id: "t", id: "r", value: "21", unit: "c" }))).toMatchObject({
      value: "21.00",
      unit: "c",
    });
  });

  it("F-F1 lifts an update: what the author does not have is left alone, and a change of what is gone is nothing", () => {
    const update = change("note", "update", { tenant_id: "t", id: "n", body: "hay", mood: "bad", $changed: "body,mood" });
    expect(lift(1, update)).toEqual({ table: "note", tenant_id: "t", id: "n", words: "hay", $changed: "words" });
    const gone = change("note", "update", { tenant_id: "t", id: "n", body: "hay", mood: "bad", $changed: "mood" });
    expect(lens.lift(1, [gone])).toEqual([]);
  });

  it("F-F1 lowers what an older version can hold and leaves out the rest", () => {
    const update = change("note", "update", { tenant_id: "t", id: "n", words: "hay", pinned: "true", $changed: "pinned" });
    expect(lens.lower(1, [update])).toEqual([]);
    expect(lens.lower(1, [change("tag", "insert", { tenant_id: "t", id: "x", label: "l", weight: "1" })])).toEqual([]);
    expect(lower(2, change("tag", "insert", { tenant_id: "t", id: "x", label: "l", weight: "1" }))).toEqual({
      table: "tag",
      tenant_id: "t",
      id: "x",
      label: "l",
    });
    expect(lower(1, change("reading", "insert", { tenant_id: "t", id: "r", value: "21.75", unit: "k" }))).toMatchObject({
      value: "21",
      unit: "c",
    });
    expect(lower(1, change("site", "delete", { tenant_id: "t", id: "p" }))).toEqual({ table: "place", tenant_id: "t", id: "p" });
  });

  it("F-F1 stamps follow their columns", () => {
    const stamps = JSON.stringify({ $row: ["9", "n"], words: ["10", "n"], pinned: ["11", "n"] });
    const truth = change("note", "insert", { tenant_id: "t", id: "n", words: "hay", pinned: "true", $stamps: stamps });
    expect(lower(1, truth)).toEqual({
      table: "note",
      tenant_id: "t",
      id: "n",
      body: "hay",
      mood: null,
      $stamps: JSON.stringify({ $row: ["9", "n"], body: ["10", "n"], mood: ["0", ""] }),
    });
  });

  it("F-F1 what a delete had seen goes through whole", () => {
    const node = "01890a5d-ac96-774b-bcce-000000000008";
    const gone = { tenant_id: "t", id: "n", $ops: JSON.stringify({ $at: 2, $seen: { [node]: "9" } }) };
    const seen = (name: string): string => JSON.stringify({ $row: ["1", "n"], [name]: ["2", "n"], [node]: ["9", node] });
    const newest = { table: "note", ...gone, $seen: seen("words") };
    expect(lower(1, change("note", "delete", { ...gone, $seen: seen("words") }))).toEqual({ ...newest, $seen: seen("body") });
    expect(lift(1, change("note", "delete", { ...gone, $seen: seen("body") }))).toEqual(newest);
  });

  it("F-F1 through two versions at once is the same as one by one, both ways", () => {
    const middle = catalogLens(second);
    const rows = [
      change("note", "insert", { tenant_id: "t", id: "n", body: "hay", mood: "good" }),
      change("note", "update", { tenant_id: "t", id: "n", body: "hay", mood: "good", $changed: "body" }),
      change("place", "insert", { tenant_id: "t", id: "p", name: "Barn" }),
      change("reading", "insert", { tenant_id: "t", id: "r", value: "21", unit: "c" }),
      change("gauge", "delete", { tenant_id: "t", id: "g" }),
    ];
    expect(lens.lift(1, rows)).toEqual(lens.lift(2, middle.lift(1, rows)));
    const newest = lens.lift(1, rows);
    expect(lens.lower(1, newest)).toEqual(middle.lower(1, lens.lower(2, newest)));
  });

  it("an insert that was lifted and lowered again is what its author wrote, less what is gone", () => {
    const middle = catalogLens(second);
    const insert = change("place", "insert", { tenant_id: "t", id: "p", name: "Barn" });
    expect(middle.lower(1, middle.lift(1, [insert]))).toEqual([insert]);
  });

  it("a table that was dropped takes what is written to it along", () => {
    const [gauge] = [first.byName.get("gauge")];
    if (gauge === undefined) throw new Error("the fleet has gauges");
    const tables = first.tables.filter(({ name }) => name !== "gauge");
    const history = [{ version: 2, changes: [droppedTable(gauge, "nobody read it")] }];
    const without = new CatalogLens(catalog({ ...first, version: 2, history, tables }));
    expect(without.lift(1, [change("gauge", "insert", { tenant_id: "t", id: "g", level: "1" })])).toEqual([]);
    expect(without.tablesAt(1).has("gauge")).toBe(true);
  });

  it("a fill may be made from the row", () => {
    const tables = first.tables.map((table) =>
      table.name === "place" ? { ...table, columns: { ...table.columns, length: integer(), hint: text().nullable() } } : table,
    );
    const fill = (read: (column: string) => string | null): string => String(read("name")?.length ?? 0);
    const history = [{ version: 2, changes: [addedColumn("place", "length", { fill }), addedColumn("place", "hint")] }];
    const longer = new CatalogLens(catalog({ ...first, version: 2, history, tables }));
    const [lifted] = longer.lift(1, [change("place", "insert", { tenant_id: "t", id: "p", name: "Barn" })]);
    expect(rowOf(lifted)).toMatchObject({ length: "4", hint: null });
  });
});
