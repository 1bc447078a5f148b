import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const packages = [
  "engine",
  "schema",
  "edge-node",
  "cloud-hub",
  "conformance",
  "examples/quickstart",
  "examples/device-simulator",
];

describe("the project", () => {
  it("D10 D12 imports go one way, packages of others are wrapped in one place, and the engine knows no farm", () => {
    expect(() => execFileSync(process.execPath, ["tools/check-imports.js"], { cwd: root, stdio: "pipe" })).not.toThrow();
  });

  it("D4 one capture path and one apply path: no table of the farm is named in the engine", () => {
    const tables = [...read("docs/schema.md").matchAll(/^#+ `?([a-z]+_[a-z_]+)`?$/gm)].map(([, name]) => name ?? "");
    const sources = readdirSync(join(root, "engine/src"), { recursive: true, encoding: "utf8" }).filter(
      (file) => file.endsWith(".ts") && !/\.test\.ts$|\/(?:sample|test)-|testing\//.test(file),
    );
    // The tables that the engine itself declares.
    const own = new Set(["replica_node", "replica_quarantine", "replica_quarantine_action"]);
    for (const file of sources) {
      const source = read(join("engine/src", file));
      const named = tables.filter((table) => !own.has(table) && new RegExp(`\\b${table}\\b`).test(source));
      expect(named, file).toEqual([]);
    }
    expect(tables.length).toBeGreaterThan(50);
    expect(sources.length).toBeGreaterThan(100);
  });

  it("D12 every strict flag is on and every package builds from the one base", () => {
    const { compilerOptions } = JSON.parse(read("tsconfig.base.json")) as {
      readonly compilerOptions: Readonly<Record<string, unknown>>;
    };
    for (const flag of [
      "strict",
      "noUncheckedIndexedAccess",
      "exactOptionalPropertyTypes",
      "noImplicitOverride",
      "noPropertyAccessFromIndexSignature",
    ]) {
      expect(compilerOptions[flag], flag).toBe(true);
    }
    for (const name of packages) expect(read(`${name}/tsconfig.json`)).toContain("tsconfig.base.json");
  });

  it("S15.3 each gap and open decision of the data design has its decision page", () => {
    const pages = readdirSync(join(root, "docs/decisions")).map((file) => read(`docs/decisions/${file}`));
    for (const id of ["S16.1", "S16.2", "S16.3", "S16.4", "S17.1", "S17.2", "S17.3"]) {
      expect(
        pages.some((page) => page.includes(id)),
        id,
      ).toBe(true);
    }
    for (const page of pages) expect(page).toMatch(/^# \d{4} /);
  });

  it("P-E2 no test is skipped, focused or left to be written", () => {
    const files = packages.flatMap((name) =>
      readdirSync(join(root, name, "src"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".test.ts"))
        .map((file) => join(name, "src", file)),
    );
    const marks = new RegExp(`\\b(?:it|test|describe)\\.(?:${["skip", "only", "todo", "fails"].join("|")})\\b`);
    expect(files.filter((file) => marks.test(read(file)))).toEqual([]);
    expect(files.length).toBeGreaterThan(50);
  });

  it("the README's commands exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
    const named = [...read("README.md").matchAll(/npm (?:run )?(demo|test|quickstart|check|bench)\b/g)].map(
      ([, name]) => name ?? "",
    );
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    expect(read(".ci/run")).toContain("npm test");
    for (const [, link] of read("README.md").matchAll(/\]\((?!https?:)([^)]+)\)/g))
      expect(existsSync(join(root, link ?? "")), link).toBe(true);
  });
});
