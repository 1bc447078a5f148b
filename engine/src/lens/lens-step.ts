import type { CatalogChange, Conversion } from "../catalog/history.ts";
import { keepsRowState } from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import type { Change } from "../commit/commit.ts";
import { defaultValue } from "./default-value.ts";
import { convertColumn, fillColumn, removeColumn, renameColumn } from "./reshape-change.ts";

/** A declared change as two pure functions. Null: nothing of the change is left. */
export interface LensStep {
  /** Names of the tables that the step concerns, before and after. */
  readonly tables: { readonly before: string | null; readonly after: string | null };
  readonly lift: (change: Change) => Change | null;
  readonly lower: (change: Change) => Change | null;
}

const same = (change: Change): Change => change;
const nothing = (): null => null;

/** Makes the step of a declared change; `after` are the tables as the change leaves them. */
export function lensStep(declared: CatalogChange, after: ReadonlyMap<string, Table>): LensStep {
  switch (declared.kind) {
    case "addedTable":
      return { tables: { before: null, after: declared.table }, lift: same, lower: nothing };
    case "droppedTable":
      return { tables: { before: declared.table.name, after: null }, lift: nothing, lower: same };
    case "renamedTable": {
      const { from, to } = declared;
      const rename = (table: string) => (change: Change) => ({ ...change, table });
      return { tables: { before: from, after: to }, lift: rename(to), lower: rename(from) };
    }
    case "addedColumn": {
      const column = after.get(declared.table)?.columns[declared.column];
      const fill = declared.fill === undefined && column !== undefined ? defaultValue(column) : declared.fill;
      return on(
        declared.table,
        (change) => fillColumn(change, declared.column, fill),
        (change) => removeColumn(change, declared.column),
      );
    }
    case "droppedColumn": {
      const initial = defaultValue(declared.declared);
      // Without stamps a fill would write over what older replicas keep there; their database fills it in.
      const stamped = after.get(declared.table);
      const own = stamped !== undefined && keepsRowState(stamped) ? initial : undefined;
      const fill = declared.fill === undefined ? own : declared.fill;
      return on(
        declared.table,
        (change) => removeColumn(change, declared.column),
        (change) => fillColumn(change, declared.column, fill),
      );
    }
    case "renamedColumn":
      return on(
        declared.table,
        (change) => renameColumn(change, declared.from, declared.to),
        (change) => renameColumn(change, declared.to, declared.from),
      );
    case "convertedColumn":
      return on(
        declared.table,
        (change) => convertColumn(change, declared.column, declared.up),
        (change) => convertColumn(change, declared.column, totally(declared.down)),
      );
    case "changedRule":
    case "tightened":
      break;
  }
  return on(declared.table, same, same);
}

/** One value that a conversion cannot take must not stop what an older child is sent: it is sent as null. */
const totally =
  (convert: Conversion): Conversion =>
  (value) => {
    try {
      return convert(value);
    } catch {
      return null;
    }
  };

const on = (table: string, lift: LensStep["lift"], lower: LensStep["lower"]): LensStep => ({
  tables: { before: table, after: table },
  lift,
  lower,
});
