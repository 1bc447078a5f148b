import type { CellText, Change } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { CHANGED_COLUMN } from "../merge/row-change.ts";

/** One correction: the value, in text form, of a column in all rows that the commit writes in the table. */
export interface CellEdit {
  readonly table: string;
  readonly column: string;
  readonly value: CellText;
}

/** The changes with the corrections. Throws `request-invalid` for a correction of what the commit does not write. */
export function editCells(changes: readonly Change[], edits: readonly CellEdit[]): readonly Change[] {
  for (const { table, column } of edits) {
    const found = changes.some((change) => change.table === table && change.op !== "delete" && change.columns.includes(column));
    if (!found || column.startsWith("$")) throw new HayloftError("request-invalid", { part: "edit", table, column });
  }
  return changes.map((change) =>
    edits.filter(({ table }) => table === change.table && change.op !== "delete").reduce(withEdit, change),
  );
}

function withEdit(change: Change, { column, value }: CellEdit): Change {
  if (!change.columns.includes(column)) return change;
  const values = change.columns.map((name, place) => {
    const vector = change.values[place] ?? [];
    if (name === column) return vector.map(() => value);
    return name === CHANGED_COLUMN ? vector.map((list) => withName(list, column)) : vector;
  });
  return { ...change, values };
}

const withName = (list: CellText, column: string): string => {
  const names = (list ?? "").split(",").filter((name) => name !== "");
  return names.includes(column) ? names.join(",") : [...names, column].join(",");
};

/** Reads `table.column=value`; `table.column` without a value is null. Throws `request-invalid`. */
export function parseEdit(text: string): CellEdit {
  const [, table = "", column = "", , value] = /^([a-z0-9_]+)\.([a-z0-9_]+)(=([\s\S]*))?$/.exec(text) ?? [];
  if (table === "") throw new HayloftError("request-invalid", { part: "edit", expected: "table.column=value" });
  return { table, column, value: value ?? null };
}
