import type { RowPlan } from "../merge/row-plan.ts";
import { ROW_BYTES_MAX } from "../protocol/limits.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import { keyVectorsOf, largeRowsOf, lockRowsSql, placesOf, stampAsSeenSql, updateAsSeenSql } from "./as-seen-sql.ts";
import { type BatchItem, RefusedCommits, type Surprises, UnexpectedRows } from "./batch.ts";
import { rowsAt, type SightGroup, updatesBySight, withoutRows } from "./updates-by-sight.ts";

/** Updates whose writers saw what is here. */
export interface AsSeen {
  /** All other changes, in order. */
  readonly left: readonly BatchItem[];
  /** Writes the rows, whose stamps are written already. Throws `RefusedCommits` when a child's update makes a row too large. */
  readonly writeRows: () => Promise<void>;
}

/**
 * Takes those updates out of `items` whose writers saw, of each cell that they write, the very value that is here: nothing can have
 * lost, so that no row has to be read. The database compares the stamps and writes the new ones. A row is locked before its stamps
 * are looked at, as a local writer does it, who stamps at COMMIT.
 */
export async function takeAsSeen(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  items: readonly BatchItem[],
  { from, surprises }: { readonly from: ApplyRequest["from"]; readonly surprises: Surprises },
): Promise<AsSeen> {
  const groups = updatesBySight(plan, items);
  if (surprises === "unlikely" && groups.reduce((sum, { keys }) => sum + keys.length, 0) === rowCount(items)) {
    await writeUnlooked(tx, plan, tenant, groups);
    return { left: [], writeRows: async () => undefined };
  }
  const stamped: SightGroup[] = [];
  for (const group of groups) {
    const there = await lockRows(tx, plan, tenant, group);
    const rows = there.keys.length === 0 ? there : await stampRows(tx, plan, tenant, there);
    if (rows.keys.length > 0) stamped.push(rows);
  }
  return {
    left: withoutRows(plan, items, stamped),
    writeRows: async () => {
      for (const group of stamped) await updateRows(tx, plan, tenant, group, from);
    },
  };
}

const rowCount = (items: readonly BatchItem[]): number => items.reduce((sum, { change }) => sum + change.rowCount, 0);

/**
 * Writes rows without looking at them, which locks them, and then their stamps; both statements only count what they find. Throws
 * `UnexpectedRows` when one row was not as its writer saw it, or is so large that what it becomes has to be measured.
 */
async function writeUnlooked(tx: SqlSession, plan: RowPlan, tenant: string, groups: readonly SightGroup[]): Promise<void> {
  for (const group of groups) {
    const { columns, keys, values } = group;
    const bytesMax = ROW_BYTES_MAX - largestValues(group);
    const update = updateAsSeenSql(plan, columns, bytesMax);
    const written = await tx.query(update, [tenant, ...keyVectorsOf(plan, keys), ...values]);
    if (written.affected < keys.length) throw new UnexpectedRows();
    const stamped = await tx.query(stampAsSeenSql(columns), stampParameters(plan, tenant, group));
    if (stamped.affected < keys.length) throw new UnexpectedRows();
  }
}

/** Bytes of the values of one row at most. */
function largestValues({ values }: SightGroup): number {
  const lengths = values.map((vector) => vector.reduce((most, value) => Math.max(most, value?.length ?? 0), 0));
  return lengths.reduce((sum, length) => sum + 3 * length, 0);
}

interface Places {
  /** Of the rows found; null: all. */
  readonly places: readonly number[] | null;
}

async function lockRows(tx: SqlSession, plan: RowPlan, tenant: string, group: SightGroup): Promise<SightGroup> {
  const { rows } = await tx.query<Places>(lockRowsSql(plan), [tenant, ...keyVectorsOf(plan, group.keys)]);
  return rowsAt(group, rows[0]?.places ?? null);
}

const stampParameters = (plan: RowPlan, tenant: string, { keys, pairs, marks, seen }: SightGroup): readonly SqlParameter[] => [
  tenant,
  plan.table.name,
  keys,
  pairs,
  marks,
  ...seen,
];

/** Writes the stamps of those rows that are as their writers saw them, and returns these. */
async function stampRows(tx: SqlSession, plan: RowPlan, tenant: string, group: SightGroup): Promise<SightGroup> {
  const { rows } = await tx.query<Places>(placesOf(stampAsSeenSql(group.columns)), stampParameters(plan, tenant, group));
  return rowsAt(group, rows[0]?.places ?? null);
}

async function updateRows(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  group: SightGroup,
  from: ApplyRequest["from"],
): Promise<void> {
  const update = updateAsSeenSql(plan, group.columns, null);
  const sql = from === "parent" ? update : largeRowsOf(update, plan, ROW_BYTES_MAX);
  const { rows } = await tx.query<{ place: number }>(sql, [tenant, ...keyVectorsOf(plan, group.keys), ...group.values]);
  // Columns of several writers may add up to a row that fits no page.
  const large = rowsAt(
    group,
    rows.map(({ place }) => place),
  );
  if (large.keys.length > 0) throw new RefusedCommits(new Map(large.commits.map((commit) => [commit, "row-too-large"])));
}
