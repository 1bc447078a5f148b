import type { TestReplica } from "../apply/test-replica.ts";
import { listLosses } from "../journal/list-losses.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { TableComparison } from "./compare-with-parent.ts";

/** Changes rows behind the back of capture. */
export async function damage(replica: TestReplica, sql: string, parameters: readonly string[] = []): Promise<void> {
  await replica.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query(sql, [...parameters]);
  });
}

/** Compares a child with its parent; returns the tables in which something was found. */
export async function compare(
  child: TestReplica,
  parent: TestReplica,
  tables: readonly string[],
  grant: Grant = child.grant(),
): Promise<readonly TableComparison[]> {
  const asking = { peer: child.nodeId, grant };
  const found = await child.storage.compareWithParent({
    peer: parent.nodeId,
    tables,
    grant,
    parent: {
      compareRanges: async (question) => await parent.storage.compareRanges(asking, question),
      compareRows: async (question) => await parent.storage.compareRows(asking, question),
      repair: async (request) => await parent.storage.takeRepair(asking, request),
    },
  });
  return found.filter(({ healedHere, healedAbove, left }) => healedHere + healedAbove + left > 0);
}

/** What was replaced by repairs: table, column, what was there, what stands. */
export const repairs = async (
  replica: TestReplica,
): Promise<readonly (readonly [string, string, string | null, string | null])[]> =>
  (await listLosses(replica.database)).entries
    .filter(({ rule }) => rule === "repair")
    .map(({ table, column, lost, won }) => [table, column, lost.value, won.value] as const)
    .toSorted((left, right) => (left.join(" ") < right.join(" ") ? -1 : 1));

/** What a comparison shows that found nothing but this. */
export const found = (table: string, more: Partial<TableComparison>): Partial<TableComparison> => ({
  table,
  healedHere: 0,
  healedAbove: 0,
  left: 0,
  ...more,
});
