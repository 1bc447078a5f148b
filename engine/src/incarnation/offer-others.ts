import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { readRows } from "../apply/row-store.ts";
import { keyVectors } from "../apply/table-sql.ts";
import type { CellText, Change } from "../commit/commit.ts";
import type { Stamp } from "../merge/register.ts";
import { rowKeys, rowValues, STAMPS_COLUMN } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { EMPTY_ROW, isPresent, readRowState, type RowState, writeRowState } from "../merge/row-state.ts";
import { covers, withoutWrites } from "../merge/without-writes.ts";
import type { SnapshotChunk } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { offerChanges } from "./seal-offer.ts";

/**
 * Offers what others did to rows of a merged table on which there is also work that goes up as commits, as far as the page lacks it. That
 * work itself is in no offer: the parent judges it before the offer comes, and what it refuses must not come by another way.
 */
export async function offerOthers(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  {
    chunk,
    keys,
    isUnsent,
  }: { readonly chunk: SnapshotChunk; readonly keys: readonly string[]; readonly isUnsent: (written: Stamp) => boolean },
): Promise<void> {
  const { tenant } = chunk;
  const there = statesOf(plan, chunk);
  await offerChanges(tx, env, { tenant, keys, via: env.nodeId }, async (some) => {
    const here = await readRows(tx, plan, tenant, some, false);
    const lacking = some.flatMap((key): (readonly [string, RowState])[] => {
      const others = withoutWrites(here.get(key)?.state ?? EMPTY_ROW, isUnsent, plan);
      return covers(there.get(key) ?? EMPTY_ROW, others, plan) ? [] : [[key, others]];
    });
    return changesOf(plan, tenant, lacking);
  });
}

const statesOf = (plan: RowPlan, { change, stamps }: SnapshotChunk): ReadonlyMap<string, RowState> =>
  new Map(
    rowKeys(change, plan).map((key, row) => {
      const values = change.op === "delete" ? null : rowValues(change, row);
      return [key, readRowState(values, stamps?.[row] ?? null, plan)];
    }),
  );

/** Rows of which different columns are known are different changes. */
function changesOf(plan: RowPlan, tenant: string, rows: readonly (readonly [string, RowState])[]): readonly Change[] {
  const groups = new Map<string, (readonly [string, RowState])[]>();
  for (const row of rows) {
    const columns = columnsOf(plan, row[1]);
    const name = columns === null ? "" : `+${columns.join()}`;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()].map((group) => changeOf(plan, tenant, group));
}

/** The columns of a row that are known; null: it was deleted. */
const columnsOf = (plan: RowPlan, state: RowState): readonly string[] | null =>
  isPresent(state, plan) ? plan.cellColumns.filter((column) => state.cells.has(column)) : null;

function changeOf(plan: RowPlan, tenant: string, group: readonly (readonly [string, RowState])[]): Change {
  const columns = group[0] === undefined ? null : columnsOf(plan, group[0][1]);
  const keys = group.map(([key]) => key);
  const cells = (columns ?? []).map((column): CellText[] => group.map(([, state]) => state.cells.get(column)?.value ?? null));
  return {
    table: plan.table.name,
    op: columns === null ? "delete" : "insert",
    columns: [...plan.table.primaryKey, ...(columns ?? []), STAMPS_COLUMN],
    values: [...keyVectors(plan, tenant, keys), ...cells, group.map(([, state]) => writeRowState(state, plan))],
    rowCount: group.length,
  };
}
