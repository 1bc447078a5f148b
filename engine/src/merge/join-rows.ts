import type { ColumnRule, RowRule } from "../catalog/rule.ts";
import { compareValues } from "./compare-values.ts";
import { joinSeen, NOTHING_SEEN } from "./memory/memory.ts";
import { compareRawValues, compareStamps, type Register } from "./register.ts";
import type { RowPlan } from "./row-plan.ts";
import { isPresent, joinTombstones, type RowState } from "./row-state.ts";

/** A value that lost a merge; a loss journal can be kept from these. */
export interface Loser {
  readonly table: string;
  /** Primary key without the tenant. */
  readonly key: readonly string[];
  /** `$deleted` when a delete lost to a later update. */
  readonly column: string;
  readonly rule: (ColumnRule | RowRule)["kind"] | "tombstone";
  /** `incoming`: the change that was being applied lost. `existing`: it replaced a value of another node. */
  readonly lost: "incoming" | "existing";
  readonly winner: Register;
  readonly loser: Register;
}

export interface JoinedRow {
  readonly state: RowState;
  readonly losers: readonly Loser[];
}

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

function cellLosers(plan: RowPlan, key: readonly string[], existing: RowState, incoming: RowState, joined: RowState): Loser[] {
  const losers: Loser[] = [];
  const absent = !isPresent(joined, plan);
  for (const [column, register] of incoming.cells) {
    if (register.stamp === 0n) continue;
    const winner = joined.cells.get(column) ?? register;
    // What was done to a cell with memory is in the memory, whatever value comes out of it.
    const remembers = plan.memory.has(column);
    const before = remembers ? undefined : existing.cells.get(column);
    const base = { table: plan.table.name, key, column } as const;
    if (!remembers && winner.value !== register.value) {
      losers.push({ ...base, rule: plan.ruleOf(column).kind, lost: "incoming", winner, loser: register });
    } else if (absent && joined.deleted !== null) {
      losers.push({ ...base, rule: "tombstone", lost: "incoming", winner: { value: null, ...joined.deleted }, loser: register });
    } else if (before !== undefined && before.stamp > 0n && before.value !== winner.value && before.node !== register.node) {
      losers.push({ ...base, rule: plan.ruleOf(column).kind, lost: "existing", winner, loser: before });
    }
  }
  return losers;
}

/** Joins an incoming change's state into the row, and names every value that lost. */
export function foldRow(plan: RowPlan, key: readonly string[], existing: RowState, incoming: RowState): JoinedRow {
  const state = joinRowStates(plan, existing, incoming);
  const losers = cellLosers(plan, key, existing, incoming, state);
  if (incoming.deleted !== null && incoming.cells.size === 0 && isPresent(state, plan)) {
    const later = [...state.cells.values()].reduce((best, next) => (compareStamps(next, best) > 0 ? next : best));
    losers.push({
      table: plan.table.name,
      key,
      column: "$deleted",
      rule: "tombstone",
      lost: "incoming",
      winner: later,
      loser: { value: null, ...incoming.deleted },
    });
  }
  return { state, losers };
}
