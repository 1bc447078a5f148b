import type { Catalog } from "../catalog/catalog.ts";
import { joinRowStates } from "../merge/join-rows.ts";
import { compareStamps, type Register } from "../merge/register.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { isPresent, latestStamp, readRowState, type RowState, writeRowState } from "../merge/row-state.ts";
import { mayWrite } from "../merge/single-writer.ts";
import { type RowClaim, WHOLE_ROW } from "./row-claim.ts";

/** Who may write, on the child's side of a session (its tier and those below) and on the parent's (those above). */
export interface Sides {
  readonly child: readonly string[];
  readonly parent: readonly string[];
}

export function sidesOf(catalog: Catalog, childTier: string): Sides {
  const place = catalog.tiers.indexOf(childTier);
  return { child: catalog.tiers.slice(place), parent: catalog.tiers.slice(0, place) };
}

/** True when a tier of the list may write the column, or with `null` the row as such. */
export const writes = (plan: RowPlan, column: string | null, tiers: readonly string[]): boolean =>
  tiers.some(
    (tier) =>
      plan.table.writers.includes(tier) &&
      mayWrite(column === null ? plan.table.rule : (plan.table.rule.columns[column] ?? plan.table.rule), tier),
  );

/** Only the child's side may write it: the parent never had a value of its own. */
const isChilds = (plan: RowPlan, column: string | null, sides: Sides): boolean =>
  writes(plan, column, sides.child) && !writes(plan, column, sides.parent);

const isParents = (plan: RowPlan, sides: Sides): boolean => writes(plan, null, sides.parent) && !writes(plan, null, sides.child);

/**
 * What stands of a row of which child and parent say different things although nothing of it is on its way. Both sides come to the same. Stamps decide where
 * there are any: of two writes the rules' join. Two values of one write cannot both be right: the one that a log has stands. If
 * the parent's log does not have it, a child's value stands that is in its log and that only its side may write; else the parent's.
 * A row that one side does not have at all stands, unless the parent's log says that it was deleted or only the parent's side may write it.
 */
export function settleRow(plan: RowPlan, sides: Sides, child: RowClaim, parent: RowClaim): RowClaim {
  return plan.merges ? settleMerged(plan, sides, child, parent) : settlePlain(plan, sides, child, parent);
}

function settlePlain(plan: RowPlan, sides: Sides, child: RowClaim, parent: RowClaim): RowClaim {
  const winner = plainWinner(plan, sides, child, parent);
  if (winner.cells === null) return winner;
  const other = winner === child ? parent : child;
  // Columns that are hidden from the child are the parent's in any case.
  return { ...winner, cells: new Map([...(other.cells ?? []), ...winner.cells]) };
}

function plainWinner(plan: RowPlan, sides: Sides, child: RowClaim, parent: RowClaim): RowClaim {
  if (parent.kept.has(WHOLE_ROW)) return parent;
  if (child.cells !== null && parent.cells !== null)
    return child.kept.has(WHOLE_ROW) && isChilds(plan, null, sides) ? child : parent;
  if (isParents(plan, sides)) return parent;
  return child.cells === null ? parent : child;
}

function settleMerged(plan: RowPlan, sides: Sides, child: RowClaim, parent: RowClaim): RowClaim {
  const states = [child, parent].map(({ cells, stamps }) => readRowState(cells, stamps, plan));
  const [mine = NOTHING, theirs = NOTHING] = states;
  // A row without a single stamp is no one's write: nothing of it can be told from damage.
  if (parent.cells === null && theirs.deleted === null && latestStamp(mine) === 0n && isParents(plan, sides)) return parent;
  const [ours, others] = [new Map(provable(plan, sides, mine, theirs)), new Map(theirs.cells)];
  for (const column of plan.cellColumns) {
    const [left, right] = [ours.get(column), others.get(column)];
    if (left === undefined || right === undefined || left.value === right.value || compareStamps(left, right) !== 0) continue;
    if (left.memory !== undefined || right.memory !== undefined) continue;
    const isChild = !parent.kept.has(column) && child.kept.has(column) && isChilds(plan, column, sides);
    if (isChild) others.set(column, withValue(right, left));
    else ours.set(column, withValue(left, right));
  }
  const own = writes(plan, null, sides.child) ? mine : theirs;
  const state = joinRowStates(plan, { ...own, cells: ours }, { ...theirs, cells: others });
  return claimOfState(plan, state);
}

/** A write that nobody on the child's side may make counts only when the parent has it as well: without its commit the child cannot prove it. */
const provable = (plan: RowPlan, sides: Sides, mine: RowState, theirs: RowState): readonly (readonly [string, Register])[] =>
  [...mine.cells].filter(([column, register]) => {
    const known = theirs.cells.get(column);
    return writes(plan, column, sides.child) || (known !== undefined && compareStamps(known, register) === 0);
  });

const NOTHING: RowState = { cells: new Map(), deleted: null };

const withValue = (register: Register, { value }: Register): Register => ({ ...register, value });

function claimOfState(plan: RowPlan, state: RowState): RowClaim {
  const cells = isPresent(state, plan) ? new Map([...state.cells].map(([column, { value }]) => [column, value])) : null;
  return { cells, stamps: writeRowState(state, plan), kept: new Set() };
}
