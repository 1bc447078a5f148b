import { compareValues } from "./compare-values.ts";
import { joinSeen, NOTHING_SEEN } from "./memory/memory.ts";
import { compareRawValues, compareStamps, type Register } from "./register.ts";
import { type FoldContext, lossesOf, type RowLosses } from "./row-losses.ts";
import type { RowPlan } from "./row-plan.ts";
import { joinTombstones, type RowState } from "./row-state.ts";

export interface JoinedRow extends RowLosses {
  readonly state: RowState;
}

const ORDINARY: FoldContext = { seen: null, isTruth: false };

/** True when the right row's group wins: the greater `by` value, then the later stamp. */
function rightGroupWins(plan: RowPlan, left: RowState, right: RowState): boolean {
  if (plan.group === null) return false;
  const mine = left.cells.get(plan.group.by);
  const other = right.cells.get(plan.group.by);
  if (mine === undefined || other === undefined) return mine === undefined;
  const order = compareValues(plan.group.byType, other.value, mine.value) || compareStamps(other, mine);
  if (order !== 0) return order > 0;
  // Only rows with unknown stamps get here with different content.
  for (const column of plan.cellColumns) {
    if (!plan.group.columns.has(column)) continue;
    const tie = compareRawValues(right.cells.get(column)?.value ?? null, left.cells.get(column)?.value ?? null);
    if (tie !== 0) return tie > 0;
  }
  return false;
}

function joinCells(plan: RowPlan, left: RowState, right: RowState): ReadonlyMap<string, Register> {
  const cells = new Map<string, Register>();
  const rightWins = rightGroupWins(plan, left, right);
  for (const column of plan.cellColumns) {
    const mine = left.cells.get(column);
    const other = right.cells.get(column);
    let register: Register | undefined;
    if (mine === undefined || other === undefined) register = mine ?? other;
    else if (plan.group?.columns.has(column) === true) register = rightWins ? other : mine;
    else register = plan.joinOf(column)(mine, other);
    if (register !== undefined) cells.set(column, register);
  }
  return cells;
}

/**
 * The join of two states of one row. Commutative, associative and idempotent, as each column's join and the tombstone's
 * are. Nothing is ever dropped, so that presence depends on the joined state alone and not on the order of arrival.
 */
export function joinRowStates(plan: RowPlan, left: RowState, right: RowState): RowState {
  const state = { cells: joinCells(plan, left, right), deleted: joinTombstones(left.deleted, right.deleted) };
  if (plan.table.deletes === "deleteWins")
    return { ...state, inserted: joinTombstones(left.inserted ?? null, right.inserted ?? null) };
  return plan.table.deletes === "updateWins"
    ? { ...state, gone: joinSeen(left.gone ?? NOTHING_SEEN, right.gone ?? NOTHING_SEEN) }
    : state;
}

/**
 * Joins an incoming change's state into the row, and names every value that lost: of two values of a cell the one that does
 * not stand, unless whoever wrote the other had seen it. Which values have lost in the end, when what was superseded and what
 * stands is taken away again, does not depend on the order of arrival.
 */
export function foldRow(
  plan: RowPlan,
  key: readonly string[],
  existing: RowState,
  incoming: RowState,
  context: FoldContext = ORDINARY,
): JoinedRow {
  const joined = joinRowStates(plan, existing, incoming);
  return { state: joined, ...lossesOf({ plan, key, existing, incoming, joined, context }) };
}
