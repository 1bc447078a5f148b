import type { Change } from "../commit/commit.ts";
import { joinRowStates } from "./join-rows.ts";
import { NOTHING_SEEN } from "./memory/memory.ts";
import { compareStamps, type Stamp } from "./register.ts";
import type { RowPlan } from "./row-plan.ts";
import type { RowState } from "./row-state.ts";

/** One more change of a commit to a row. */
export interface LaterChange {
  readonly op: Change["op"];
  readonly incoming: RowState;
}

/**
 * What the changes of one commit to a row stand for together, when one more comes behind them. All have one stamp, so the rules cannot
 * tell which came later; the commit's own order does. The row itself joins all of them at once: what it has under the same stamp may be
 * of another commit, as two copies of a node may give one stamp before they are told apart.
 */
export function joinChanges(plan: RowPlan, before: RowState, { op, incoming }: LaterChange, written: Stamp): RowState {
  return joinRowStates(plan, withoutOverwritten(plan, before, { op, incoming }, written), incoming);
}

/** Columns that only move one way need no telling, and operations all count. */
function withoutOverwritten(plan: RowPlan, before: RowState, { op, incoming }: LaterChange, written: Stamp): RowState {
  const isOurs = (stamp: Stamp | null | undefined): boolean => stamp != null && compareStamps(stamp, written) === 0;
  const cells = new Map(before.cells);
  for (const [column, register] of before.cells) {
    const { kind } = plan.ruleOf(column);
    if (kind === "monotone" || kind === "setOnce" || register.memory !== undefined) continue;
    if (isOurs(register) && isOurs(incoming.cells.get(column))) cells.delete(column);
  }
  if (op !== "insert" || !isOurs(before.deleted)) return { ...before, cells };
  // What the commit inserts after its own delete that delete has not seen, and it took nothing away.
  return { ...before, cells, deleted: null, ...(before.gone !== undefined && { gone: NOTHING_SEEN }) };
}
