import type { Change, Commit, RowPlan, RowState } from "@hayloft/engine";
import { isPresent, readRowState, writeRowState } from "@hayloft/engine";
import { planOf, rowName, type SimStore } from "./sim-store.ts";

/** Rows as they are here, with what is known of their cells. */
export function rowsOf(store: SimStore, tenant: string, table: string, keys: readonly string[]): readonly Change[] {
  return keys.map((key) => rowAs(tenant, table, key, store.rows.get(rowName(tenant, table, key))));
}

/** A row in one of its states, with what is known of its cells. */
export function rowAs(tenant: string, table: string, key: string, state: RowState | undefined): Change {
  const plan = planOf(table);
  if (state === undefined || !isPresent(state, plan)) return absentRow(tenant, table, key, state);
  const cells = [...state.cells];
  return {
    table,
    op: "insert",
    columns: ["tenant_id", "id", ...cells.map(([column]) => column), "$stamps"],
    values: [[tenant], [key], ...cells.map(([, register]) => [register.value]), [writeRowState(state, plan)]],
    rowCount: 1,
  };
}

/** The answer for a row that is not here: what is left of it when it was deleted. */
function absentRow(tenant: string, table: string, key: string, state: RowState | undefined): Change {
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
