import type { CellText } from "../commit/commit.ts";
import type { Column } from "./column.ts";
import type { RowRule } from "./rule.ts";
import type { Table } from "./table.ts";

/** What one version of the catalog changed against the version before it. Changes count in their order, as migrations do. */
export interface CatalogVersion {
  readonly version: number;
  readonly changes: readonly CatalogChange[];
}

/** Values of a row by column, in Postgres text form. A column that the change does not carry is null. */
export type ReadCell = (column: string) => CellText;

/** What a column holds in rows of a version that does not have it: one value, or one made from the row's other columns. */
export type Fill = CellText | ((read: ReadCell) => CellText);

/** One declared difference. Names are those that hold at this place of the list. */
export type CatalogChange =
  | { readonly kind: "addedTable"; readonly table: string }
  | { readonly kind: "droppedTable"; readonly table: Table; readonly because: string }
  | { readonly kind: "renamedTable"; readonly from: string; readonly to: string }
  | { readonly kind: "addedColumn"; readonly table: string; readonly column: string; readonly fill: Fill | undefined }
  | {
      readonly kind: "droppedColumn";
      readonly table: string;
      readonly column: string;
      readonly declared: Column;
      readonly fill: Fill | undefined;
    }
  | { readonly kind: "renamedColumn"; readonly table: string; readonly from: string; readonly to: string }
  | {
      readonly kind: "convertedColumn";
      readonly table: string;
      readonly column: string;
      readonly was: Column;
      readonly up: Conversion;
      readonly down: Conversion;
    }
  | { readonly kind: "changedRule"; readonly table: string; readonly was: RowRule }
  | { readonly kind: "tightened"; readonly table: string; readonly what: string };

/** Turns one value into another; both are in Postgres text form, null included. Pure and total. */
export type Conversion = (value: CellText) => CellText;

/** A table that older versions do not have: they are never sent its rows. */
export const addedTable = (table: string): CatalogChange => ({ kind: "addedTable", table });

/**
 * A table that is gone. `table` is its last declaration. What older versions still write to it is discarded at the first
 * replica that does not have it any more, so say why that may be.
 */
export const droppedTable = (table: Table, because: string): CatalogChange => ({ kind: "droppedTable", table, because });

export const renamedTable = (from: string, to: string): CatalogChange => ({ kind: "renamedTable", from, to });

/**
 * A column that older versions do not have. `fill` is what rows of theirs hold; without it the column's plain default, or null
 * when it is nullable. It must be what the migration puts into the rows that are there.
 */
export const addedColumn = (table: string, column: string, options: { readonly fill?: Fill } = {}): CatalogChange => ({
  kind: "addedColumn",
  table,
  column,
  fill: options.fill,
});

/**
 * A column that is gone; `declared` is its last declaration. Older versions keep it among themselves. `fill` is what new rows hold
 * there; without it the column's plain default, or null when it is nullable.
 */
export const droppedColumn = (
  table: string,
  column: string,
  declared: Column,
  options: { readonly fill?: Fill } = {},
): CatalogChange => ({ kind: "droppedColumn", table, column, declared, fill: options.fill });

export const renamedColumn = (table: string, from: string, to: string): CatalogChange => ({
  kind: "renamedColumn",
  table,
  from,
  to,
});

/**
 * A column whose type, allowed values or nullability changed so that older versions could not hold all that this one can. `was` is
 * its last declaration, `up` turns an older value into one of this version, `down` the reverse. A value that `down` loses is kept here.
 */
export const convertedColumn = (
  table: string,
  column: string,
  was: Column,
  conversions: { readonly up: Conversion; readonly down: Conversion },
): CatalogChange => ({ kind: "convertedColumn", table, column, was, ...conversions });

/**
 * The table's rule is another one; `was` is the last. Of the two rules the one of the replica nearer to the top decides: older
 * replicas below are sent the rows that came out, and take them as they are.
 */
export const changedRule = (table: string, was: RowRule): CatalogChange => ({ kind: "changedRule", table, was });

/**
 * The table refuses more than before: a check, a reference, fewer values, fewer writers. What older versions still write against it
 * is refused with its data kept, and the rest flows. Add a check in the migration as NOT VALID, or correct the rows first.
 */
export const tightened = (table: string, what: string): CatalogChange => ({ kind: "tightened", table, what });
