import type { Change, Commit, RowPlan, RowState } from "@hayloft/engine";
import { isPresent, readRowState, writeRowState } from "@hayloft/engine";
import { planOf } from "./sim-store.ts";

/** The answer for a row that is not here: what is left of it when it was deleted. */
export function absentRow(tenant: string, table: string, key: string, state: RowState | undefined): Change {
  const gone: Change = { table, op: "delete", columns: ["tenant_id", "id"], values: [[tenant], [key]], rowCount: 1 };
  if (state === undefined || state.deleted === null) return gone;
  return { ...gone, columns: [...gone.columns, "$stamps"], values: [...gone.values, [writeRowState(state, planOf(table))]] };
}

/** The row with a commit's new stamp in the place of its old one, as the text of its document says it. */
export function restampedRow(plan: RowPlan, state: RowState, before: Commit, after: Commit): RowState {
  const named = (stamp: bigint): string => `["${String(stamp)}","${before.node}"`;
  const seen = (stamp: bigint): string => `"${before.node}":"${String(stamp)}"`;
  const text = writeRowState(state, plan)
    .replaceAll(named(before.stamp), named(after.stamp))
    .replaceAll(seen(before.stamp), seen(after.stamp));
  const values = isPresent(state, plan) ? new Map([...state.cells].map(([column, { value }]) => [column, value])) : null;
  return readRowState(values, text, plan);
}
