import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import type { TestFile } from "./coverage-page.ts";
import { coveragePage } from "./coverage-page.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = path.join(root, "docs", "seed-coverage.md");
const packages = ["engine", "schema", "edge-node", "cloud-hub", "conformance", "examples"];
const skipped = new Set(["node_modules", "dist"]);

// `testing` folders hold tables of cases; a case's name may be an id.
const isTest = (file: string): boolean =>
  file.endsWith(".test.ts") || file.endsWith(".test.tsx") || /\/testing\/[^/]+\.ts$/.test(file);

function testFiles(folder: string): readonly TestFile[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((item): readonly TestFile[] => {
    const file = `${folder}/${item.name}`;
    if (item.isDirectory()) return skipped.has(item.name) ? [] : testFiles(file);
    return isTest(file) ? [{ path: file, text: readFileSync(path.join(root, file), "utf8") }] : [];
  });
}

const requirements = v.parse(
  v.array(v.object({ title: v.string(), requirements: v.record(v.string(), v.string()) })),
  JSON.parse(readFileSync(path.join(root, "docs", "requirements.json"), "utf8")),
);
const text = coveragePage(requirements, packages.flatMap(testFiles));

if (process.argv.includes("--check")) {
  if (readFileSync(page, "utf8") !== text) {
    process.stderr.write("docs/seed-coverage.md is stale. Run `npm run coverage:seed -w schema` and commit it.\n");
    process.exitCode = 1;
  }
} else {
  writeFileSync(page, text);
}
