import { joinRowStates } from "./join-rows.ts";
import { compareStamps, type Stamp } from "./register.ts";
import { withoutStamp } from "./row-change.ts";
import type { RowPlan } from "./row-plan.ts";
import { isPresent, type RowState, writeRowState } from "./row-state.ts";

/** The row without all that certain writes did to it: what the others did. */
export function withoutWrites(state: RowState, isOne: (written: Stamp) => boolean, plan: RowPlan): RowState {
  const found: Stamp[] = [];
  for (const { stamp, node } of marksOf(state))
    if (isOne({ stamp, node }) && !found.some((other) => compareStamps(other, { stamp, node }) === 0))
      found.push({ stamp, node });
  return found.reduce((left, written) => withoutStamp(left, written, plan), state);
}

const marksOf = ({ cells, deleted, inserted }: RowState): readonly Stamp[] => [
  ...[...cells.values()].flatMap((register) => [register, ...(register.memory?.entries ?? [])]),
  ...[deleted, inserted].flatMap((mark) => mark ?? []),
];

/** True when `row` knows all that `other` knows, or that knows nothing. */
export function covers(row: RowState, other: RowState, plan: RowPlan): boolean {
  if (other.deleted === null && !isPresent(other, plan)) return true;
  return writeRowState(joinRowStates(plan, row, other), plan) === writeRowState(row, plan);
}
