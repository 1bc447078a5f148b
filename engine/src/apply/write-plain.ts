import type { CellText, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { REFUSED_COLUMN, rowKeys } from "../merge/row-change.ts";
import { LossBook } from "../journal/loss-book.ts";
import { plainTakenBack } from "../journal/plain-taken-back.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import {
  type BatchItem,
  itemOfRow,
  itemsByColumns,
  joinedVectors,
  RefusedCommits,
  storedColumns,
  type Surprises,
} from "./batch.ts";
import { keepTombstones } from "./tombstones.ts";
import { deleteSql, differingRowsSql, insertSql, keyVectors, upsertClause } from "./table-sql.ts";

/**
 * Writes changes of a table that keeps no stamps, in one statement where the columns allow. Throws `RefusedCommits` when
 * a row exists with other content. Returns what answers to refused commits take back. Rows to which others refer leave a tombstone when they are deleted.
 */
export async function writePlain(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  items: readonly BatchItem[],
  { surprises, isReferenced }: { readonly surprises: Surprises; readonly isReferenced: boolean },
): Promise<LossBook> {
  const book = new LossBook();
  if (plan.table.rule.kind === "appendOnly" && items.every(isPlainInsert)) {
    for (const group of itemsByColumns(items)) await appendRows(tx, plan, group, surprises);
    return book;
  }
  for (const item of items) {
    const { change } = item;
    if (change.op === "evict") book.purge({ table: change.table, keys: rowKeys(change, plan) });
    else if (change.columns.includes(REFUSED_COLUMN))
      for (const loser of await plainTakenBack(tx, plan, tenant, change)) book.lose(null, loser);
  }
  await writeLastImages(tx, plan, tenant, items, isReferenced);
  return book;
}

const isPlainInsert = ({ change }: BatchItem): boolean => change.op === "insert" && !change.columns.includes(REFUSED_COLUMN);

/** The set-based path: duplicates fall to the conflict clause, and only when there are any is their content compared. */
async function appendRows(tx: SqlSession, plan: RowPlan, items: readonly BatchItem[], surprises: Surprises): Promise<void> {
  const [first] = items;
  if (first === undefined) return;
  const columns = storedColumns(first.change);
  const vectors = joinedVectors(items, columns);
  if (surprises === "unlikely") {
    await tx.query(insertSql(plan, columns, null), vectors);
    return;
  }
  const { affected } = await tx.query(insertSql(plan, columns, "do nothing"), vectors);
  if (affected === (vectors[0]?.length ?? 0)) return;
  const differing = await tx.query<{ row: number }>(differingRowsSql(plan, columns), vectors);
  const refused = new Map<Commit, ErrorCode>();
  for (const { row } of differing.rows) {
    const item = itemOfRow(items, row);
    if (item !== undefined) refused.set(item.commit, "refused-content");
  }
  if (refused.size > 0) throw new RefusedCommits(refused);
}

interface LastImage {
  readonly item: BatchItem;
  readonly row: number;
}

/** One statement cannot touch a row twice, so only the last image of each row is written. */
async function writeLastImages(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  items: readonly BatchItem[],
  isReferenced: boolean,
): Promise<void> {
  const last = new Map<string, LastImage>();
  for (const item of items) {
    for (const [row, key] of rowKeys(item.change, plan).entries()) last.set(key, { item, row });
  }
  const gone: string[] = [];
  const dead = new Map<Commit, string[]>();
  const groups = new Map<string, { readonly columns: readonly string[]; readonly vectors: CellText[][] }>();
  for (const [key, { item, row }] of last) {
    const { change } = item;
    if (change.op === "delete" || change.op === "evict") {
      gone.push(key);
      if (isReferenced && change.op === "delete") {
        const keys = dead.get(item.commit);
        if (keys === undefined) dead.set(item.commit, [key]);
        else keys.push(key);
      }
      continue;
    }
    const columns = storedColumns(change);
    const name = columns.join(",");
    const group = groups.get(name) ?? { columns, vectors: columns.map(() => []) };
    groups.set(name, group);
    for (const [index, column] of columns.entries()) {
      group.vectors[index]?.push(change.values[change.columns.indexOf(column)]?.[row] ?? null);
    }
  }
  for (const [commit, keys] of dead) await keepTombstones(tx, plan, tenant, keys, commit);
  if (gone.length > 0) await tx.query(deleteSql(plan), keyVectors(plan, tenant, gone));
  for (const { columns, vectors } of groups.values()) {
    await tx.query(insertSql(plan, columns, upsertClause(plan, columns)), vectors);
  }
}
