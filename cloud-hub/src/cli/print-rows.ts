/** A value as a table shows it. */
function cellText(value: unknown): string {
  if (value === null || value === undefined) return "-";
  if (value instanceof Date) return value.toISOString().replace(/\.\d{3}Z$/, "Z");
  if (Array.isArray(value)) return value.join(",");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => `${name}=${cellText(inner)}`)
      .join(" ");
  }
  // A control character in a name must not reach the terminal.
  return (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(/\p{Cc}/gu, "\uFFFD");
}

/** Rows as an aligned table with a heading per column; `none` when there are none. Ends with a newline. */
export function tableText(rows: readonly object[], columns: readonly string[]): string {
  if (rows.length === 0) return "none\n";
  const cells = rows.map((row) => {
    const values = new Map(Object.entries(row));
    return columns.map((column) => cellText(values.get(column)));
  });
  const heading = columns.map((column) => column.replaceAll("_", " ").toUpperCase());
  const widths = heading.map((title, index) => Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)));
  const lines = [heading, ...cells].map((line) =>
    line
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** One row as `name  value` lines. Ends with a newline. */
export function recordText(row: object): string {
  const entries = Object.entries(row);
  const width = Math.max(...entries.map(([name]) => name.length));
  return `${entries.map(([name, value]) => `${name.replaceAll("_", " ").padEnd(width)}  ${cellText(value)}`).join("\n")}\n`;
}
