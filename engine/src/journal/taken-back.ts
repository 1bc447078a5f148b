import { compareStamps, type Register, type Stamp } from "../merge/register.ts";
import type { Loser } from "../merge/row-losses.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { isPresent, type RowState } from "../merge/row-state.ts";

const NOTHING: Register = { value: null, stamp: 0n, node: "" };

/**
 * What the authority's answer to a refused commit takes back: the values that the commit wrote, or one `$row` with all of its
 * values when the row is gone with them.
 */
export function takenBackLosers(
  plan: RowPlan,
  key: readonly string[],
  before: RowState,
  after: RowState,
  refused: Stamp,
): readonly Loser[] {
  const base = { table: plan.table.name, key, rule: "refused", lost: "existing" } as const;
  const written = [...before.cells].filter(([, register]) => compareStamps(register, refused) === 0);
  const losers: Loser[] = [];
  if (before.deleted !== null && compareStamps(before.deleted, refused) === 0)
    losers.push({ ...base, column: "$deleted", winner: NOTHING, loser: { ...NOTHING, ...before.deleted } });
  if (written.length === 0) return losers;
  if (isPresent(before, plan) && !isPresent(after, plan)) {
    const values = Object.fromEntries([...before.cells].map(([column, { value }]) => [column, value]));
    losers.push({ ...base, column: "$row", winner: NOTHING, loser: { ...refused, value: JSON.stringify(values) } });
    return losers;
  }
  for (const [column, register] of written) {
    const winner = after.cells.get(column) ?? NOTHING;
    if (winner.value !== register.value) losers.push({ ...base, column, winner, loser: register });
  }
  return losers;
}
