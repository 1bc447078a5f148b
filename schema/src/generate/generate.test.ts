import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { farmCatalog } from "../farm-catalog.ts";
import { seedTables } from "../testing/seed-tables.ts";
import { coveragePage, testsById } from "./coverage-page.ts";
import { leftOut } from "./left-out.ts";
import { schemaPage } from "./schema-page.ts";

const page = (name: string): string => readFileSync(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), "utf8");

describe("the schema page", () => {
  it("S0.1 S4.3 equals the catalog", () => {
    expect(page("schema.md")).toBe(schemaPage(farmCatalog));
  });

  it("S4.3 each table of the seed has its place on it, as a table or with what replaced it", () => {
    const text = schemaPage(farmCatalog);
    for (const { table } of seedTables)
      expect(text, table).toMatch(new RegExp(`^### ${table}$|^\\| \`${table.toLowerCase()}\` \\|`, "m"));
  });

  it("S4.3 nothing is both a table and left out", () => {
    expect(Object.keys(leftOut).filter((name) => farmCatalog.byName.has(name))).toEqual([]);
  });
});

describe("the page of requirements", () => {
  const files = [
    {
      path: "a/src/one.test.ts",
      text: `it("S5.1 P-C2 keeps a row", () => {});\n// it("S5.2 gone")\nit("D3 rules", f); it("to level D1", f);`,
    },
    { path: "a/src/two.test.ts", text: `it.each([["S5.1", 1]])("%s", f); describe("T-C2 | again", f); it('S5.11 other', f);` },
  ];

  it("finds ids in titles and in tables of cases, but not in comments", () => {
    const found = testsById(files);
    expect([...found.keys()].sort()).toEqual(["D3", "P-C2", "S5.1", "S5.11"]);
    expect(found.get("S5.1")).toHaveLength(2);
    expect(found.get("P-C2")?.map((test) => test.title)).toEqual(["S5.1 P-C2 keeps a row", "T-C2 | again"]);
  });

  it("D11 every defect of the system that this one replaces has a test that names it", () => {
    const rows = page("seed-coverage.md").split("\n");
    const named = (id: string): boolean => rows.some((row) => row.startsWith(`| ${id} |`) && !row.includes("**not yet**"));
    expect(Array.from({ length: 20 }, (_, index) => `P-C${String(index + 1)}`).filter((id) => !named(id))).toEqual([]);
  });

  it("P-E2 says which requirements no test names", () => {
    const text = coveragePage([{ title: "All", requirements: { "S5.1": "One", "S9.9": "Two" } }], files);
    expect(text).toContain("1 of 2 requirements are named by a test.");
    expect(text).toContain("| S9.9 | Two | **not yet** |");
    expect(text).toContain(
      "| S5.1 | One | `a/src/one.test.ts`: S5.1 P-C2 keeps a row<br>`a/src/two.test.ts`: one of its cases |",
    );
  });
});
