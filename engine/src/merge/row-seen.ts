import { STAMP_MAX } from "../clock/hybrid-clock.ts";
import type { Change } from "../commit/commit.ts";
import { compareStamps, type Stamp } from "./register.ts";
import { CHANGED_COLUMN, columnOf, SEEN_COLUMN } from "./row-change.ts";
import type { RowPlan } from "./row-plan.ts";

/**
 * What the writer of a change saw in the row: the stamp of each column, the tombstone, and of a delete per node the greatest stamp among the
 * operations on the row's columns with memory.
 */
export interface Seen {
  readonly cells: ReadonlyMap<string, Stamp>;
  readonly deleted: Stamp | null;
  readonly nodes: ReadonlyMap<string, bigint>;
}

/** What the writer of several changes saw before the first of them; null where none of them says. */
export function joinRowSeen(first: Seen | null, next: Seen | null): Seen | null {
  if (first === null || next === null) return first ?? next;
  return {
    cells: new Map([...next.cells, ...first.cells]),
    deleted: first.deleted ?? next.deleted,
    nodes: new Map([...next.nodes, ...first.nodes]),
  };
}

/** A `$seen` text, read. */
export type SeenDocument = Readonly<Record<string, readonly [string, string]>>;

export const seenStamp = ([stamp, node]: readonly [string, string]): Stamp => ({ stamp: BigInt(stamp), node });

/** Characters of one row's `$seen` at most: a whole document of the widest table that the protocol takes. */
const SEEN_CHARACTERS_MAX = 100_000;
const STAMP_PATTERN = /^\d{1,19}$/;
const NODE_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * True when `seenReader` can read each of the texts, so that a peer cannot make it fail, and none speaks of what is later than
 * `latest`.
 */
export function areSeenTexts(texts: readonly (string | null)[], latest: bigint = STAMP_MAX): boolean {
  let last: string | null = null;
  return texts.every((text) => {
    if (text === null || text === last) return true;
    last = text;
    return isSeenText(text, latest);
  });
}

function isSeenText(text: string, latest: bigint): boolean {
  if (text.length > SEEN_CHARACTERS_MAX) return false;
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document !== "object" || document === null || Array.isArray(document)) return false;
    return Object.values(document).every((pair) => isStampPair(pair, latest));
  } catch {
    return false;
  }
}

function isStampPair(value: unknown, latest: bigint): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [stamp, node] = value as readonly unknown[];
  if (typeof stamp !== "string" || !STAMP_PATTERN.test(stamp) || BigInt(stamp) > latest || typeof node !== "string") return false;
  return NODE_PATTERN.test(node) || (node === "" && BigInt(stamp) === 0n);
}

/**
 * Reads what the writer saw, row by row; null where the change does not say. An update speaks of what it replaced, so of the columns that it
 * changed alone. Rows of one statement mostly say the same.
 */
export function seenReader(change: Change, plan: RowPlan): (row: number) => Seen | null {
  const texts = columnOf(change, SEEN_COLUMN);
  if (texts === undefined) return () => null;
  const isWhole = change.op !== "update" || plan.table.rule.kind === "monotoneRow";
  const lists = isWhole ? undefined : columnOf(change, CHANGED_COLUMN);
  let [lastText, lastList]: [string | null, string | null] = [null, null];
  let last: Seen | null = null;
  return (row) => {
    const text = texts[row] ?? null;
    const list = lists?.[row] ?? null;
    if (text === null || (text === lastText && list === lastList)) return text === null ? null : last;
    [lastText, lastList] = [text, list];
    last = readSeen(text, plan, list === null ? plan.cellColumns : list.split(","));
    return last;
  };
}

function readSeen(text: string, plan: RowPlan, columns: readonly string[]): Seen {
  const document = JSON.parse(text) as SeenDocument;
  const stampOf = (name: string): Stamp | null => {
    const pair = document[name];
    return pair === undefined ? null : seenStamp(pair);
  };
  const whole = stampOf("$row");
  const cells = new Map<string, Stamp>();
  for (const column of plan.cellColumns) {
    const stamp = columns.includes(column) ? (stampOf(column) ?? whole) : null;
    if (stamp !== null) cells.set(column, stamp);
  }
  shareLatest(cells, plan);
  return { cells, deleted: stampOf("$deleted"), nodes: plan.memory.size === 0 ? NO_NODES : nodesOf(document) };
}

const NO_NODES: Seen["nodes"] = new Map();

/** What is named by a node and no column. */
const nodesOf = (document: SeenDocument): Seen["nodes"] =>
  new Map(
    Object.entries(document).flatMap(([name, [stamp]]) => (NODE_PATTERN.test(name) ? [[name, BigInt(stamp)] as const] : [])),
  );

/** As in a row's state: columns that win or lose together have the latest stamp among them. */
function shareLatest(cells: Map<string, Stamp>, plan: RowPlan): void {
  const { group } = plan;
  if (group === null) return;
  const grouped = [...cells].filter(([column]) => group.columns.has(column));
  const [first] = grouped;
  if (first === undefined) return;
  const latest = grouped.reduce<Stamp>((best, [, next]) => (compareStamps(next, best) > 0 ? next : best), first[1]);
  for (const [column] of grouped) cells.set(column, latest);
}

/** The change with some of the stamps in its `$seen` replaced; the same change when none is in it. */
export function renameSeen(change: Change, renamed: (stamp: string, node: string) => string | null): Change {
  const place = change.columns.indexOf(SEEN_COLUMN);
  if (place < 0) return change;
  let isChanged = false;
  const texts = (change.values[place] ?? []).map((text) => {
    if (text === null) return null;
    const entries = Object.entries(JSON.parse(text) as SeenDocument).map(([name, [stamp, node]]) => {
      const other = renamed(stamp, node);
      isChanged ||= other !== null;
      return [name, [other ?? stamp, node]] as const;
    });
    return JSON.stringify(Object.fromEntries(entries));
  });
  if (!isChanged) return change;
  return { ...change, values: change.values.map((vector, index) => (index === place ? texts : vector)) };
}

/** The stamps that the writers of the changes say to have seen. */
export function seenStamps(changes: readonly Change[]): readonly string[] {
  return changes.flatMap((change) =>
    (columnOf(change, SEEN_COLUMN) ?? []).flatMap((text) =>
      text === null ? [] : Object.values(JSON.parse(text) as SeenDocument).map(([stamp]) => stamp),
    ),
  );
}

/** A `$seen` text without some columns. */
export function seenWithout(text: string | null, columns: ReadonlySet<string>): string | null {
  if (text === null) return null;
  const entries = Object.entries(JSON.parse(text) as SeenDocument);
  const kept = entries.filter(([name]) => !columns.has(name));
  return kept.length === entries.length ? text : JSON.stringify(Object.fromEntries(kept));
}

/** The greatest stamp that the writers of the changes had seen, apart from those that `isLeftOut` names; 0 when there is none. */
export function latestSeen(changes: readonly Change[], isLeftOut: (stamp: string, node: string) => boolean): bigint {
  let latest = 0n;
  for (const text of changes.flatMap((change) => columnOf(change, SEEN_COLUMN) ?? [])) {
    if (text === null) continue;
    for (const [stamp, node] of Object.values(JSON.parse(text) as SeenDocument)) {
      if (!isLeftOut(stamp, node) && BigInt(stamp) > latest) latest = BigInt(stamp);
    }
  }
  return latest;
}
