import type { Change, Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { columnOf } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { rowBehind } from "../store/sql-error.ts";

/** Commits that are looked at one by one; of more the hint says too little. */
const SUSPECTS_MAX = 4;

/** Of `Key (a, b)=(1, 2) …`: the columns and the values. */
const KEY_PATTERN = /\(([^()]*)\)=\((.*)\)/s;

/**
 * The commits of a batch that may have written the row of which the database said why it failed, in their order; none when it did not say, or
 * when too many may have. A hint and no proof: the database's words are meant for people, and cut long values short.
 */
export function suspectsOf(error: unknown, commits: readonly Commit[], plans: ReadonlyMap<string, RowPlan>): readonly Commit[] {
  const words = rowBehind(error);
  if (words === null || !(error instanceof HayloftError)) return [];
  // Of a partition its own name is told, which no plan has: then any table may be meant.
  const told = plans.get(String(error.details["table"]));
  const [, columns, values] = KEY_PATTERN.exec(words) ?? [];
  const named = columns?.split(", ").map((name) => name.replaceAll('"', ""));
  const isBehind = (change: Change): boolean => {
    const plan = plans.get(change.table);
    return plan !== undefined && (told ?? plan) === plan && mayBe(change, named ?? plan.keyColumns, values ?? words);
  };
  const found: Commit[] = [];
  for (const commit of commits) {
    if (!commit.changes.some(isBehind)) continue;
    if (found.length === SUSPECTS_MAX) return [];
    found.push(commit);
  }
  return found;
}

/** True when the words have all of the named values of some row of the change. */
function mayBe(change: Change, columns: readonly string[], words: string): boolean {
  const vectors = columns.map((column) => columnOf(change, column));
  for (let row = 0; row < change.rowCount; row += 1) {
    const isThere = vectors.every((vector) => {
      const value = vector?.[row];
      return value !== undefined && value !== null && words.includes(value);
    });
    if (isThere) return true;
  }
  return false;
}
