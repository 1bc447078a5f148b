import type { CellText, Change } from "../commit/commit.ts";
import { CHANGED_COLUMN, columnOf, rowKeys, SEEN_COLUMN, STAMPS_COLUMN } from "../merge/row-change.ts";
import { OPS_COLUMN, opsWithout } from "../merge/memory/row-ops.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { seenWithout } from "../merge/row-seen.ts";
import { stampsWithout } from "../merge/row-state.ts";
import type { Grant } from "../replica/replica-storage.ts";

/** True when the grant covers a row with these scope values. A dimension that is null is seen by the whole tenant. */
export function scopeTest(
  plan: RowPlan,
  grant: Grant,
  valueOf: (column: string) => readonly CellText[] | undefined,
): (row: number) => boolean {
  const tests = restrictedScopes(plan, grant).map(({ column, ids }) => {
    const vector = valueOf(column);
    return (row: number): boolean => {
      const value = vector?.[row] ?? null;
      return value === null || ids.has(value);
    };
  });
  return (row) => tests.every((test) => test(row));
}

/** The scope columns of the table that the grant restricts, with the ids that it allows. */
export function restrictedScopes(
  plan: RowPlan,
  grant: Grant,
): readonly { readonly column: string; readonly ids: ReadonlySet<string> }[] {
  return Object.entries(plan.table.scope).flatMap(([dimension, column]) => {
    const ids = dimension === "tenant" ? undefined : grant.scopes[dimension];
    return ids === undefined ? [] : [{ column, ids: new Set(ids) }];
  });
}

/** Only the given rows of a change. */
export function keepRows(change: Change, rows: readonly number[]): Change {
  if (rows.length === change.rowCount) return change;
  return { ...change, values: change.values.map((vector) => rows.map((row) => vector[row] ?? null)), rowCount: rows.length };
}

/** Removes the columns that do not travel to the tier, and updates that changed nothing else. */
export function withoutHidden(change: Change, hidden: readonly string[]): Change {
  if (hidden.length === 0) return change;
  const names = new Set(hidden);
  const places = change.columns.flatMap((column, place) => (names.has(column) ? [] : [place]));
  const columns = places.map((place) => change.columns[place] ?? "");
  const values = places.map((place) => {
    const vector = change.values[place] ?? [];
    if (change.columns[place] === OPS_COLUMN) return vector.map((text) => opsWithout(text, names));
    if (change.columns[place] === SEEN_COLUMN) return vector.map((text) => seenWithout(text, names));
    if (change.columns[place] === STAMPS_COLUMN) return vector.map((text) => stampsWithout(text, names));
    if (change.columns[place] !== CHANGED_COLUMN) return vector;
    return vector.map((list) =>
      (list ?? "")
        .split(",")
        .filter((name) => !names.has(name))
        .join(","),
    );
  });
  const shown = { ...change, columns, values };
  const changed = columnOf(shown, CHANGED_COLUMN);
  if (changed === undefined) return shown;
  return keepRows(
    shown,
    [...changed.keys()].filter((row) => changed[row] !== ""),
  );
}

/**
 * What of a commit's changes a child may see: rows within its grant, without hidden columns. A row that moved out of the
 * grant is sent as an eviction, unless a later change of the same commit still shows it.
 */
export function visibleChanges(
  changes: readonly Change[],
  plans: ReadonlyMap<string, RowPlan>,
  grant: Grant,
  scoped: boolean,
): readonly Change[] {
  const visible: { readonly change: Change; readonly plan: RowPlan }[] = [];
  for (const change of changes) {
    const plan = plans.get(change.table);
    if (plan === undefined) continue;
    const test = scopeTest(plan, grant, (column) => columnOf(change, column));
    const restricted = scoped && restrictedScopes(plan, grant).length > 0;
    const kept = restricted ? keepRows(change, rowsWhere(change, test)) : change;
    const shown = withoutHidden(kept, plan.table.hidden[grant.tier] ?? []);
    if (shown.rowCount > 0) visible.push({ change: shown, plan });
  }
  return visible.flatMap(({ change, plan }, index) => {
    if (change.op !== "evict") return [change];
    const shown = new Set(
      visible
        .slice(index + 1)
        .flatMap((later) =>
          later.change.table === change.table && later.change.op !== "evict" ? rowKeys(later.change, plan) : [],
        ),
    );
    return withoutRows(change, plan, shown);
  });
}

/** The change without the rows of these keys; none when nothing is left. */
export function withoutRows(change: Change, plan: RowPlan, keys: ReadonlySet<string>): readonly Change[] {
  const own = rowKeys(change, plan);
  const left = keepRows(
    change,
    rowsWhere(change, (row) => !keys.has(own[row] ?? "")),
  );
  return left.rowCount === 0 ? [] : [left];
}

const rowsWhere = (change: Change, test: (row: number) => boolean): number[] =>
  Array.from({ length: change.rowCount }, (_, row) => row).filter(test);
