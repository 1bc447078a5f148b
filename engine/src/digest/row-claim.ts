import type { CellText, Change } from "../commit/commit.ts";
import { columnOf, rowKeys, rowValues, STAMPS_COLUMN } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { keyVectors } from "../apply/table-sql.ts";
import { stampsWithout } from "../merge/row-state.ts";
import { KEPT_COLUMN } from "./comparison.ts";

/** The whole row, or that there is none. */
export const WHOLE_ROW = "*";

/** What a replica says of a row when it compares it with another's. */
export interface RowClaim {
  /** Its values outside of the primary key, in text form, as far as the teller sees them; null: there is no such row. */
  readonly cells: ReadonlyMap<string, CellText> | null;
  /** The document of its stamps; null in tables without. */
  readonly stamps: string | null;
  /** The columns whose values are in the teller's own log as well; `*`: the row, or its end, is. */
  readonly kept: ReadonlySet<string>;
}

export const NO_CLAIM: RowClaim = { cells: null, stamps: null, kept: new Set() };

/** Claims as changes: one of the rows that there are, one of those that there are not. Columns that are hidden from the reader are left out. */
export function changesOfClaims(
  plan: RowPlan,
  tenant: string,
  claims: ReadonlyMap<string, RowClaim>,
  hidden: ReadonlySet<string>,
): readonly Change[] {
  const columns = plan.cellColumns.filter((column) => !hidden.has(column));
  const changeOf = (op: "insert" | "delete", keys: readonly string[]): readonly Change[] => {
    if (keys.length === 0) return [];
    const found = keys.map((key) => claims.get(key) ?? NO_CLAIM);
    const shown = op === "insert" ? columns : [];
    const names = [...plan.table.primaryKey, ...shown, ...(plan.merges ? [STAMPS_COLUMN] : []), KEPT_COLUMN];
    const values = [
      ...keyVectors(plan, tenant, keys),
      ...shown.map((column) => found.map(({ cells }) => cells?.get(column) ?? null)),
      ...(plan.merges ? [found.map(({ stamps }) => stampsWithout(stamps ?? "{}", hidden))] : []),
      found.map(({ kept }) => [...kept].filter((column) => !hidden.has(column)).join(",")),
    ];
    return [{ table: plan.table.name, op, columns: names, values, rowCount: keys.length }];
  };
  const keys = [...claims.keys()];
  return [
    ...changeOf(
      "insert",
      keys.filter((key) => claims.get(key)?.cells != null),
    ),
    ...changeOf(
      "delete",
      keys.filter((key) => claims.get(key)?.cells == null),
    ),
  ];
}

/** The claims that `changesOfClaims` told, by row key. */
export function claimsOfChanges(plan: RowPlan, changes: readonly Change[]): ReadonlyMap<string, RowClaim> {
  const claims = new Map<string, RowClaim>();
  const cellColumns = new Set(plan.cellColumns);
  for (const change of changes) {
    const [stamps, kept] = [columnOf(change, STAMPS_COLUMN), columnOf(change, KEPT_COLUMN)];
    for (const [row, key] of rowKeys(change, plan).entries()) {
      const cells = new Map([...rowValues(change, row)].filter(([column]) => cellColumns.has(column)));
      claims.set(key, {
        cells: change.op === "insert" ? cells : null,
        stamps: plan.merges ? (stamps?.[row] ?? "{}") : null,
        kept: new Set((kept?.[row] ?? "").split(",").filter((column) => column !== "")),
      });
    }
  }
  return claims;
}

/** True when two claims show the same values in the columns that both show. */
export function showsSame(left: RowClaim, right: RowClaim): boolean {
  if (left.cells === null || right.cells === null) return left.cells === right.cells;
  for (const [column, value] of left.cells) {
    const other = right.cells.get(column);
    if (other !== undefined && other !== value) return false;
  }
  return true;
}
