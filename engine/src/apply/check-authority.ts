import { derivedId } from "../catalog/derived-id.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { CellText, Change, Commit } from "../commit/commit.ts";
import { scopeTest } from "../log/filter-commit.ts";
import { CHANGED_COLUMN, columnOf, REFUSED_COLUMN, SEEN_COLUMN, STAMPS_COLUMN } from "../merge/row-change.ts";
import { OPS_COLUMN, opsAreSound } from "../merge/memory/row-ops.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { areSeenTexts } from "../merge/row-seen.ts";
import { areStampsTexts } from "../merge/row-state.ts";
import { mayWrite } from "../merge/single-writer.ts";
import { isKeyText } from "./key-text.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { DERIVED_COLUMN } from "../sql/natural-key-ddl.ts";

/** What an author may do: its tier, and the grants that bind it (its own and, through a relay, the relay's). */
export interface Author {
  readonly tier: string;
  readonly grants: readonly Grant[];
}

/**
 * Why a child's commit is refused as a whole, or null. Judges by what the commit says and who wrote it; rows that exist here
 * are judged by `refusedByExistingScope`.
 */
export function refusalOfCommit(commit: Commit, author: Author, plans: ReadonlyMap<string, RowPlan>): ErrorCode | null {
  if (commit.author?.includes("\0") === true) return "refused-schema";
  for (const change of commit.changes) {
    const plan = plans.get(change.table);
    if (plan === undefined) return "refused-schema";
    const refusal =
      refusalOfShape(change, plan, false) ??
      refusalOfOps(change, plan) ??
      refusalOfWriter(change, plan, author.tier) ??
      refusalOfScope(commit.tenant, change, plan, author) ??
      refusalOfNaturalKey(change, plan);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** The table and its columns are known, and what the operation needs is there. Only the authority sends `$stamps`. */
export function refusalOfShape(change: Change, plan: RowPlan | undefined, fromAuthority: boolean): ErrorCode | null {
  if (plan === undefined) return "refused-schema";
  const known = new Set(plan.columns);
  for (const [place, column] of change.columns.entries()) {
    if (change.values[place]?.length !== change.rowCount) return "refused-schema";
    if (column === SEEN_COLUMN && areSeenTexts(change.values[place])) continue;
    if (fromAuthority && column === STAMPS_COLUMN && !areStampsTexts(change.values[place], plan)) return "refused-schema";
    const pseudo =
      (column === CHANGED_COLUMN && (change.op === "update" || change.op === "insert")) ||
      (column === OPS_COLUMN && carriesOps(change, plan)) ||
      (fromAuthority && (column === STAMPS_COLUMN || column === REFUSED_COLUMN));
    if (!known.has(column) && !pseudo) return "refused-schema";
  }
  if (new Set(change.columns).size !== change.columns.length) return "refused-schema";
  for (const column of plan.table.primaryKey) {
    const type = plan.table.columns[column]?.type;
    if (type === undefined || columnOf(change, column)?.every((value) => isKeyText(type, value)) !== true)
      return "refused-schema";
  }
  return null;
}

/** True when the change says per row what was done to columns with memory, or what a delete had seen. */
const carriesOps = ({ op }: Change, plan: RowPlan): boolean =>
  op === "delete" ? plan.table.deletes === "updateWins" : plan.memory.size > 0 && op !== "evict";

/** A child's operations are checked before anything reads them; a column with memory never comes without. */
function refusalOfOps(change: Change, plan: RowPlan): ErrorCode | null {
  if (!carriesOps(change, plan)) return null;
  if (change.op === "delete") return opsAreSound(change, plan, () => []) ? null : "refused-schema";
  const carried = change.columns.filter((column) => plan.memory.has(column));
  const lists = columnOf(change, CHANGED_COLUMN);
  const changedOf = (row: number): readonly string[] => (lists === undefined ? carried : (lists[row] ?? "").split(","));
  return opsAreSound(change, plan, changedOf) ? null : "refused-schema";
}

/**
 * True for an insert that names what it wrote. Only a lens makes them, for columns that the author does not have; a child that
 * sent one could put values into columns that are not its to write.
 */
export const marksInsert = (change: Change): boolean => change.op === "insert" && change.columns.includes(CHANGED_COLUMN);

function refusalOfWriter(change: Change, plan: RowPlan, tier: string): ErrorCode | null {
  if (change.op === "evict") return null;
  const { table } = plan;
  if (!table.writers.includes(tier)) return "refused-writer";
  if (change.op === "update") return refusalOfUpdate(change, plan, tier);
  if (!mayWrite(table.rule, tier)) return "refused-writer";
  if (change.op === "delete") return table.rule.kind === "appendOnly" ? "refused-rule" : null;
  const marks = columnOf(change, CHANGED_COLUMN);
  const written = marks === undefined ? null : new Set(marks.flatMap((list) => (list ?? "").split(",")));
  for (const column of plan.cellColumns) {
    if (written?.has(column) === false) continue;
    const vector = columnOf(change, column);
    const rule = table.rule.columns[column];
    if (rule === undefined || mayWrite(rule, tier) || vector === undefined) continue;
    if (vector.some((value) => !isInitial(plan, column, value))) return "refused-writer";
  }
  return null;
}

function refusalOfUpdate(change: Change, plan: RowPlan, tier: string): ErrorCode | null {
  const { rule } = plan.table;
  const changed = new Set((columnOf(change, CHANGED_COLUMN) ?? []).flatMap((list) => (list ?? "").split(",")));
  const columns = columnOf(change, CHANGED_COLUMN) === undefined ? plan.cellColumns : [...changed].filter((name) => name !== "");
  for (const column of columns) {
    if (plan.table.primaryKey.includes(column) || plan.immutable.has(column)) return "refused-rule";
    const own = rule.columns[column];
    if (!mayWrite(own ?? rule, tier)) return "refused-writer";
  }
  return null;
}

/** An insert may carry another tier's column only as it is when nobody has set it: null or the plain default. */
function isInitial(plan: RowPlan, column: string, value: CellText): boolean {
  if (value === null) return true;
  const initial = plan.table.columns[column]?.defaultSql ?? null;
  if (initial === null) return false;
  const literal = /^'((?:[^']|'')*)'(?:::[a-z ]+)?$/.exec(initial)?.[1]?.replaceAll("''", "'") ?? initial;
  return literal === value || Number(literal) === Number(value) || /\(/.test(initial);
}

/** The id of a row with a natural key is derived from the key and from nothing else. */
export function refusalOfNaturalKey(change: Change, plan: RowPlan): ErrorCode | null {
  const { rule, name } = plan.table;
  if (rule.kind !== "naturalKey" || (change.op !== "insert" && change.op !== "update")) return null;
  const ids = columnOf(change, DERIVED_COLUMN);
  const vectors = rule.key.map((column) => columnOf(change, column));
  for (let row = 0; row < change.rowCount; row += 1) {
    if (
      ids?.[row] !==
      derivedId(
        name,
        vectors.map((vector) => vector?.[row] ?? null),
      )
    )
      return "refused-rule";
  }
  return null;
}

function refusalOfScope(tenant: string, change: Change, plan: RowPlan, author: Author): ErrorCode | null {
  if (columnOf(change, plan.tenantColumn)?.every((value) => value === tenant) !== true) return "refused-scope";
  for (const grant of author.grants) {
    const test = scopeTest(plan, grant, (column) => columnOf(change, column));
    for (let row = 0; row < change.rowCount; row += 1) if (!test(row)) return "refused-scope";
  }
  return null;
}
