import { mkdirSync, writeFileSync } from "node:fs";
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

/** The ratio with the lowest and the highest of the runs, where there are several. */
const ratioText = ({ ratio, ratioRange }: Figure): string => {
  if (ratio === null) return "–";
  return ratioRange === undefined
    ? ratio.toFixed(2)
    : `${ratio.toFixed(2)} (${ratioRange.map((end) => end.toFixed(2)).join("–")})`;
};

const cpuText = ({ cpuMicros }: Figure): string =>
  cpuMicros === undefined ? "" : `, CPU ${cpuMicros.ours.toFixed(1)} µs, floor ${cpuMicros.floor.toFixed(1)} µs`;

export const formatFigures = (figures: readonly Figure[]): string =>
  figures
    .map(
      (figure) =>
        `  ${figure.id}  ${figure.what}: ${number(figure.ours)} ${figure.unit}${figure.floor === null ? "" : `, floor ${number(figure.floor)}`}${figure.ratio === null ? "" : `, ratio ${ratioText(figure)}`}${cpuText(figure)}, goal ${figure.goal} ${figure.reached ? "reached" : "MISSED"}`,
    )
    .join("\n");

/** Writes the record of a whole run. */
export const writeResults = (figures: readonly Figure[], settings: Readonly<Record<string, number>>): void => {
  const all = figures.toSorted((left, right) => left.id.localeCompare(right.id, "en", { numeric: true }));
  const results: Results = { machine: machine(), date: new Date().toISOString().slice(0, 10), settings, figures: all };
  mkdirSync("bench", { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(PAGE, page(results));
};

const page = (results: Results): string => `# Benchmarks

Written by \`npm run bench\` on ${results.date}: ${results.machine}. ${Object.entries(results.settings)
  .map(([name, value]) => `${name} ${value}`)
  .join(
    ", ",
  )}. Floor and ours ran in turn in one run. Speeds are medians; a ratio is the median of the runs' own ratios, with the lowest and the
highest. The floor moves the same rows by the same parts with no sync semantics at all. Compare ratios, not speeds: the machine is
small and shared. CPU is that of the benchmark's process with its PGlite threads, floor and ours, in µs a row, without the Postgres server.

| Id | What | Floor | Ours | Unit | Ratio | CPU | Goal | |
|---|---|---|---|---|---|---|---|---|
${results.figures
  .map(
    (figure) =>
      `| ${figure.id} | ${figure.what} | ${figure.floor === null ? "–" : number(figure.floor)} | ${number(figure.ours)} | ${figure.unit} | ${ratioText(figure)} | ${figure.cpuMicros === undefined ? "–" : `${figure.cpuMicros.floor.toFixed(1)} / ${figure.cpuMicros.ours.toFixed(1)}`} | ${figure.goal.replace("|", "\\|")} | ${figure.reached ? "reached" : "missed"} |`,
  )
  .join("\n")}
`;
