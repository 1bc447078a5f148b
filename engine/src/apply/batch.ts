import type { CellText, Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";

/** One change with the commit it belongs to. */
export interface BatchItem {
  readonly commit: Commit;
  readonly change: Change;
}

/** Some commits of a batch cannot be applied; the batch is to be written again without them. */
export class RefusedCommits extends Error {
  readonly refused: ReadonlyMap<Commit, ErrorCode>;

  constructor(refused: ReadonlyMap<Commit, ErrorCode>) {
    super("some commits of the batch are refused");
    this.name = "RefusedCommits";
    this.refused = refused;
  }
}

/**
 * What is taken for granted of the rows that are here. `unlikely`: rows that are inserted are not here, and rows that are updated are
 * as their writers saw them. It spares looking them up, and fails with 23505 or `UnexpectedRows` when it is not so; the caller then
 * rolls back and writes again with `likely`.
 */
export type Surprises = "unlikely" | "likely";

/** Some row is not as it was taken to be. */
export class UnexpectedRows extends Error {
  constructor() {
    super("a row is not as its writer saw it");
    this.name = "UnexpectedRows";
  }
}

/**
 * The changes of commits by table, in commit order. A child's evictions are left out: they say that a row left somebody's
 * scope; the row itself is in the update that follows.
 */
export function itemsByTable(
  commits: readonly Commit[],
  from: "child" | "parent" = "parent",
): ReadonlyMap<string, readonly BatchItem[]> {
  const tables = new Map<string, BatchItem[]>();
  for (const commit of commits) {
    for (const change of commit.changes) {
      if (from === "child" && change.op === "evict") continue;
      const items = tables.get(change.table);
      if (items === undefined) tables.set(change.table, [{ commit, change }]);
      else items.push({ commit, change });
    }
  }
  return tables;
}

/** Items with the same columns, so that their vectors can be joined. Pseudo columns do not count. */
export function itemsByColumns(items: readonly BatchItem[]): readonly (readonly BatchItem[])[] {
  const groups = new Map<string, BatchItem[]>();
  for (const item of items) {
    const name = storedColumns(item.change).join(",");
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** The change's columns without pseudo columns. */
export const storedColumns = (change: Change): readonly string[] => change.columns.filter((column) => !column.startsWith("$"));

/** One vector per column over all rows of the items. */
export function joinedVectors(items: readonly BatchItem[], columns: readonly string[]): readonly (readonly CellText[])[] {
  return columns.map((column) => {
    const vector: CellText[] = [];
    for (const { change } of items) {
      const part = change.values[change.columns.indexOf(column)] ?? [];
      for (const value of part) vector.push(value);
    }
    return vector;
  });
}

/** The item that holds a row of the joined vectors. */
export function itemOfRow(items: readonly BatchItem[], row: number): BatchItem | undefined {
  let left = row;
  for (const item of items) {
    if (left < item.change.rowCount) return item;
    left -= item.change.rowCount;
  }
  return undefined;
}
