const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

const count = (value: unknown): number => (typeof value === "number" ? value : 0);
const word = (value: unknown): string => (typeof value === "string" ? value : "unknown");

/** A report of `verify` in plain words: a line for each table that is not empty, and what it comes to. */
export function reportText(report: Readonly<Record<string, unknown>>): string {
  const tables = (Array.isArray(report["tables"]) ? report["tables"] : []).filter(isRecord);
  const [healed, left] = tables.reduce<readonly [number, number]>(
    ([done, open], table) => [done + count(table["healedHere"]) + count(table["healedAbove"]), open + count(table["left"])],
    [0, 0],
  );
  const parent = report["parent"];
  const other = typeof parent === "string" ? ` compared with ${parent}` : "";
  const result =
    left > 0
      ? `${String(left)} rows differ still; the next comparison tries again`
      : `${typeof parent === "string" ? "both sides hold the same rows" : "counted"}${healed > 0 ? `, after ${String(healed)} were set right` : ""}`;
  const shown = tables.filter((table) => count(table["rows"]) + count(table["left"]) > 0 || healedOf(table) !== "");
  return [
    `node ${word(report["node"])} (${word(report["tier"])})${other} at ${word(report["finishedAt"])}`,
    ...shown.map(
      (table) =>
        `${word(table["tenant"])}  ${word(table["table"])}: ${String(count(table["rows"]))} rows, ${word(table["digest"])}${healedOf(table)}`,
    ),
    result,
    "",
  ].join("\n");
}

function healedOf(table: Readonly<Record<string, unknown>>): string {
  const parts = [
    [count(table["healedHere"]), "set right here"],
    [count(table["healedAbove"]), "set right at the parent"],
    [count(table["left"]), "differ still"],
  ] as const;
  return parts.flatMap(([rows, what]) => (rows > 0 ? [`; ${String(rows)} ${what}`] : [])).join("");
}
