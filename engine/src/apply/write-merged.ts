import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { contentDiffers } from "../merge/append-only.ts";
import { LossBook } from "../journal/loss-book.ts";
import { takenBackLosers } from "../journal/taken-back.ts";
import { columnOf, isReplacement, rowKeys, stateOfChange, STAMPS_COLUMN, takenBack, withoutStamp } from "../merge/row-change.ts";
import { seenReader } from "../merge/row-seen.ts";
import { isTooLate } from "../merge/memory/memory.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { EMPTY_ROW, isPresent, type RowState } from "../merge/row-state.ts";
import { mayWrite } from "../merge/single-writer.ts";
import { utf8Length } from "../commit/changes-bytes.ts";
import { ROW_BYTES_MAX } from "../protocol/limits.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { type BatchItem, RefusedCommits, type Surprises } from "./batch.ts";
import { CommitWorks } from "./commit-works.ts";
import { takeAsSeen } from "./write-as-seen.ts";
import { keyParts, readRows, type StoredRow, writeRows } from "./row-store.ts";

/** How often a table is merged again because somebody inserted one of its rows meanwhile. */
const MERGE_ATTEMPTS_MAX = 5;

/** From whom changes come, and whether this replica has the last word on them. */
export interface WhoseWord {
  readonly from: ApplyRequest["from"];
  readonly isTop: boolean;
}

/**
 * Writes changes of a table whose rows merge. Updates of rows that are as their writers saw them are written as they are; of all
 * others it reads the rows, folds the changes in by the rules, and writes the rows back with their stamps.
 * Throws `RefusedCommits` when a change brings other content for what never changes, or a child's update would make a row that
 * its author may not insert, or at the top a child's operation comes after its place was folded; and `UnexpectedRows` when surprises were called unlikely.
 */
export async function writeMerged(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  items: readonly BatchItem[],
  { surprises, ...whose }: WhoseWord & { readonly surprises: Surprises },
): Promise<LossBook> {
  const { left, writeRows: writeSeen } = await takeAsSeen(tx, plan, tenant, items, { from: whose.from, surprises });
  const book = left.length === 0 ? new LossBook() : await mergeItems(tx, plan, tenant, left, whose);
  await writeSeen();
  return book;
}

async function mergeItems(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  items: readonly BatchItem[],
  whose: WhoseWord,
): Promise<LossBook> {
  const keys = [...new Set(items.flatMap(({ change }) => rowKeys(change, plan)))].sort();
  for (let attempt = 0; attempt < MERGE_ATTEMPTS_MAX; attempt += 1) {
    const before = await readRows(tx, plan, tenant, keys, true);
    const { after, book } = foldItems(plan, before, items, whose);
    if (await writeRows(tx, plan, tenant, before, after)) return book;
  }
  throw new HayloftError("sql-failed", { sqlstate: "40001", table: plan.table.name });
}

function refusesContent(plan: RowPlan, existing: RowState, incoming: RowState): boolean {
  if (plan.immutable.size === 0 || existing.cells.size === 0) return false;
  const written = [...plan.immutable].filter((column) => (incoming.cells.get(column)?.stamp ?? 0n) > 0n);
  return contentDiffers(
    written,
    (column) => existing.cells.get(column)?.value,
    (column) => incoming.cells.get(column)?.value,
  );
}

/** True when a child's operations make a cell's memory or value more than its rule takes. */
function overflows(plan: RowPlan, incoming: RowState, after: RowState): boolean {
  return [...plan.memory].some(([column, rule]) => {
    if (rule.memoryFault === undefined || incoming.cells.get(column)?.memory === undefined) return false;
    const register = after.cells.get(column);
    return register?.memory !== undefined && rule.memoryFault(register.memory, register.value) !== null;
  });
}

/**
 * True when something that a child's commit did to a cell is older than what the top has folded of that node. Joining would drop it
 * without a word; nothing that was counted comes a second time, as each commit is new here.
 */
function comesTooLate(plan: RowPlan, existing: RowState, incoming: RowState): boolean {
  return [...plan.memory.keys()].some((column) => {
    const memory = incoming.cells.get(column)?.memory;
    return memory !== undefined && isTooLate(existing.cells.get(column)?.memory, memory);
  });
}

/** True for a truth row that says that the authority has no such row, nor ever had one that it may show. */
const isUnknownThere = (isAnswer: boolean, incoming: RowState): boolean =>
  isAnswer && incoming.cells.size === 0 && incoming.deleted === null;

function rowBytes({ cells }: RowState): number {
  let length = 0;
  for (const { value } of cells.values()) length += value?.length ?? 0;
  if (length * 3 <= ROW_BYTES_MAX) return length;
  return [...cells.values()].reduce((sum, { value }) => sum + utf8Length(value ?? ""), 0);
}

function foldItems(
  plan: RowPlan,
  before: ReadonlyMap<string, StoredRow>,
  items: readonly BatchItem[],
  { from, isTop }: WhoseWord,
): { readonly after: ReadonlyMap<string, RowState>; readonly book: LossBook } {
  const after = new Map<string, RowState>([...before].map(([key, { state }]) => [key, state]));
  const book = new LossBook();
  const works = new CommitWorks(plan, book);
  const refused = new Map<Commit, ErrorCode>();
  for (const { commit, change } of items) {
    const { stamp, node, author, tier } = commit;
    const written = { stamp, node, author, tier };
    const seenOf = seenReader(change, plan);
    const isTruth = columnOf(change, STAMPS_COLUMN) !== undefined;
    if (change.op === "evict") book.purge({ table: change.table, keys: rowKeys(change, plan) });
    for (const [row, key] of rowKeys(change, plan).entries()) {
      const current = after.get(key) ?? EMPTY_ROW;
      const back = takenBack(change, row);
      const replaced = isReplacement(change, row);
      if (change.op === "evict" || isTruth || replaced || back !== null) works.end(key);
      const existing = replaced ? EMPTY_ROW : back === null ? current : withoutStamp(current, back, plan);
      const incoming = stateOfChange(change, row, written, plan);
      if (change.op === "evict" || isUnknownThere(replaced || back !== null, incoming)) {
        after.set(key, EMPTY_ROW);
        if (back !== null)
          for (const loser of takenBackLosers(plan, keyParts(key), current, EMPTY_ROW, back)) book.lose(null, loser);
        continue;
      }
      if (from === "child" && change.op === "update" && !isPresent(existing, plan) && !mayWrite(plan.table.rule, commit.tier)) {
        refused.set(commit, "refused-rule");
        continue;
      }
      if (from === "child" && isTop && comesTooLate(plan, existing, incoming)) {
        refused.set(commit, "refused-late");
        continue;
      }
      if (back === null && !replaced && refusesContent(plan, existing, incoming)) refused.set(commit, "refused-content");
      const state = isTruth
        ? works.takeTruth(key, commit, existing, incoming)
        : works.take(key, commit, { op: change.op, existing, incoming, seen: seenOf(row) });
      if (from === "child" && overflows(plan, incoming, state)) {
        refused.set(commit, "refused-document");
        continue;
      }
      // Columns of several writers may add up to a row that fits no page.
      if (from === "child" && rowBytes(state) > ROW_BYTES_MAX) refused.set(commit, "row-too-large");
      after.set(key, state);
      if (back === null) continue;
      works.end(key);
      for (const loser of takenBackLosers(plan, keyParts(key), current, state, back)) book.lose(null, loser);
    }
  }
  if (refused.size > 0) throw new RefusedCommits(refused);
  works.endAll();
  return { after, book };
}
