import type { CellText, Change, Commit } from "../commit/commit.ts";
import { joinLastWriterWins } from "../merge/last-writer-wins.ts";
import { OPS_COLUMN } from "../merge/memory/row-ops.ts";
import { compareStamps } from "../merge/register.ts";
import { CHANGED_COLUMN, columnOf, REFUSED_COLUMN, rowKeys, SEEN_COLUMN, STAMPS_COLUMN, withRows } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { type SeenDocument, seenStamp } from "../merge/row-seen.ts";
import type { BatchItem } from "./batch.ts";

/** Rows that updates of the same columns touch. */
export interface SightGroup {
  readonly columns: readonly string[];
  readonly keys: readonly string[];
  readonly commits: readonly Commit[];
  /** Per column the values. */
  readonly values: readonly (readonly CellText[])[];
  /** Per row the number, from 1, of what it writes and what its writer saw. */
  readonly pairs: readonly number[];
  /** Per pair the stamps that are written, as a part of a stamps document. */
  readonly marks: readonly string[];
  /** Per column, and in it per pair, the stamp that the writer saw. */
  readonly seen: readonly (readonly string[])[];
}

/** Tables of which only a later write of the same cell matters to a cell, and no values that an update only carries along. */
const isPlain = (plan: RowPlan): boolean =>
  plan.group === null &&
  plan.memory.size === 0 &&
  plan.keyColumns.length > 0 &&
  plan.cellColumns.every((column) => plan.immutable.has(column) || plan.joinOf(column) === joinLastWriterWins);

const isEdit = ({ op, columns }: Change): boolean =>
  op === "update" && ![STAMPS_COLUMN, REFUSED_COLUMN, OPS_COLUMN].some((column) => columns.includes(column));

interface OpenGroup extends SightGroup {
  readonly keys: string[];
  readonly commits: Commit[];
  readonly values: CellText[][];
  readonly pairs: number[];
  readonly marks: string[];
  readonly seen: string[][];
}

/** Rows that one update of the batch touches and no other change, by the columns that it writes. */
export function updatesBySight(plan: RowPlan, items: readonly BatchItem[]): readonly SightGroup[] {
  if (!isPlain(plan) || !items.some(({ change }) => isEdit(change))) return [];
  const keys = items.map(({ change }) => rowKeys(change, plan));
  const twice = repeated(keys);
  const groups = new Map<string, OpenGroup | null>();
  for (const [place, item] of items.entries()) {
    if (isEdit(item.change)) addRows(groups, plan, item, keys[place] ?? [], twice);
  }
  return [...groups.values()].filter((group) => group !== null && group.keys.length > 0) as readonly SightGroup[];
}

/** The keys that occur more than once. */
function repeated(lists: readonly (readonly string[])[]): ReadonlySet<string> {
  const once = new Set<string>();
  const twice = new Set<string>();
  for (const keys of lists) {
    for (const key of keys) {
      if (once.has(key)) twice.add(key);
      else once.add(key);
    }
  }
  return twice;
}

/** Rows of one statement mostly write the same columns over the same stamps, so that each of these is looked up once. */
function addRows(
  groups: Map<string, OpenGroup | null>,
  plan: RowPlan,
  { commit, change }: BatchItem,
  keys: readonly string[],
  twice: ReadonlySet<string>,
): void {
  const seen = columnOf(change, SEEN_COLUMN);
  const changed = columnOf(change, CHANGED_COLUMN);
  if (seen === undefined || changed === undefined) return;
  const pairs = new Map<string, number | null>();
  let [list, text]: [CellText, CellText] = [null, null];
  let group: OpenGroup | null = null;
  let pair: number | null = null;
  let vectors: readonly (readonly CellText[])[] = [];
  for (const [row, key] of keys.entries()) {
    if (changed[row] !== list || seen[row] !== text) {
      if (changed[row] !== list) {
        list = changed[row] ?? null;
        group = list === null ? null : groupOf(groups, plan, change, list);
        vectors = group?.columns.map((column) => columnOf(change, column) ?? []) ?? [];
      }
      text = seen[row] ?? null;
      pair = group === null || text === null ? null : pairOf(pairs, group, `${list ?? ""} ${text}`, text, commit);
    }
    if (group === null || pair === null || twice.has(key)) continue;
    group.keys.push(key);
    group.commits.push(commit);
    group.pairs.push(pair);
    for (let index = 0; index < vectors.length; index += 1) group.values[index]?.push(vectors[index]?.[row] ?? null);
  }
}

function pairOf(pairs: Map<string, number | null>, group: OpenGroup, name: string, text: string, commit: Commit): number | null {
  const known = pairs.get(name);
  if (known !== undefined) return known;
  const pair = addPair(group, text, commit);
  pairs.set(name, pair);
  return pair;
}

function groupOf(groups: Map<string, OpenGroup | null>, plan: RowPlan, change: Change, list: string): OpenGroup | null {
  const known = groups.get(list);
  if (known !== undefined) return known;
  const columns = list.split(",");
  const writable = columns.every(
    (column) => plan.cellColumns.includes(column) && !plan.immutable.has(column) && change.columns.includes(column),
  );
  const group = writable
    ? { columns, keys: [], commits: [], pairs: [], marks: [], values: columns.map(() => []), seen: columns.map(() => []) }
    : null;
  groups.set(list, group);
  return group;
}

/** Adds what a commit writes over what its writer saw; null when that is unknown, was deleted, or is not older. */
function addPair(group: OpenGroup, text: string, { stamp, node }: Commit): number | null {
  const document = JSON.parse(text) as SeenDocument;
  if (document["$deleted"] !== undefined) return null;
  const pairs = group.columns.map((column) => document[column] ?? document["$row"]);
  for (const pair of pairs) if (pair === undefined || compareStamps(seenStamp(pair), { stamp, node }) >= 0) return null;
  const mark = [stamp.toString(), node];
  group.marks.push(JSON.stringify(Object.fromEntries(group.columns.map((column) => [column, mark]))));
  pairs.forEach((pair, index) => group.seen[index]?.push(JSON.stringify(pair)));
  return group.marks.length;
}

/** The group's rows at some places, counted from 1; null: all. */
export function rowsAt(group: SightGroup, places: readonly number[] | null): SightGroup {
  if (places === null) return group;
  const pick = <T>(vector: readonly T[]): readonly T[] => places.flatMap((place) => vector.slice(place - 1, place));
  const { keys, commits, pairs, values } = group;
  return { ...group, keys: pick(keys), commits: pick(commits), pairs: pick(pairs), values: values.map(pick) };
}

/** The items without the rows of some groups. */
export function withoutRows(plan: RowPlan, items: readonly BatchItem[], taken: readonly SightGroup[]): readonly BatchItem[] {
  if (taken.length === 0) return items;
  const keys = new Set(taken.flatMap((group) => group.keys));
  return items.flatMap((item): BatchItem[] => {
    const names = rowKeys(item.change, plan);
    const rows = [...names.keys()].filter((row) => !keys.has(names[row] ?? ""));
    if (rows.length === names.length) return [item];
    return rows.length === 0 ? [] : [{ commit: item.commit, change: withRows(item.change, rows) }];
  });
}
