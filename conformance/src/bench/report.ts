import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { Figure } from "./measure.ts";

const RESULTS = "bench/results.json";
const PAGE = "docs/benchmarks.md";

interface Results {
  readonly machine: string;
  readonly date: string;
  readonly settings: Readonly<Record<string, number>>;
  readonly figures: readonly Figure[];
}

const number = (value: number): string =>
  Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en-US") : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);

const machine = (): string =>
  `${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;

export const formatFigures = (figures: readonly Figure[]): string =>
  figures
    .map(
      ({ id, what, unit, floor, ours, ratio, goal, reached }) =>
        `  ${id}  ${what}: ${number(ours)} ${unit}${floor === null ? "" : `, floor ${number(floor)}`}${ratio === null ? "" : `, ratio ${ratio.toFixed(2)}`}, goal ${goal} ${reached ? "reached" : "MISSED"}`,
    )
    .join("\n");

/** Keeps figures of benchmarks that did not run this time, replaces those that did, and renders the page from both. */
export const writeResults = (figures: readonly Figure[], settings: Readonly<Record<string, number>>): void => {
  const ids = new Set(figures.map(({ id }) => id));
  const before = existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, "utf8")) as Results).figures : [];
  const all = [...before.filter(({ id }) => !ids.has(id)), ...figures].sort((left, right) =>
    left.id.localeCompare(right.id, "en", { numeric: true }),
  );
  const results: Results = { machine: machine(), date: new Date().toISOString().slice(0, 10), settings, figures: all };
  mkdirSync("bench", { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(PAGE, page(results));
};

const page = (results: Results): string => `# Benchmarks

Written by \`npm run bench\` on ${results.date}: ${results.machine}. ${Object.entries(results.settings)
  .map(([name, value]) => `${name} ${value}`)
  .join(", ")}. Floor and ours ran in turn in one run; the figures are medians. The floor moves the same rows by the same parts
with no sync semantics at all. Compare ratios, not speeds: the machine is small and shared.

| Id | What | Floor | Ours | Unit | Ratio | Goal | |
|---|---|---|---|---|---|---|---|
${results.figures
  .map(
    ({ id, what, unit, floor, ours, ratio, goal, reached }) =>
      `| ${id} | ${what} | ${floor === null ? "–" : number(floor)} | ${number(ours)} | ${unit} | ${ratio === null ? "–" : ratio.toFixed(2)} | ${goal.replace("|", "\\|")} | ${reached ? "reached" : "missed"} |`,
  )
  .join("\n")}
`;
