import type { CellText } from "../../commit/commit.ts";
import { type MemoryEntry, type Seen } from "../memory/memory.ts";
import { plainDraft, type TreeMap } from "./draft.ts";
import { mergeEpisode, type Place } from "./merge-episode.ts";
import type { SearchBudget } from "./text-search.ts";

/** What makes a text or a JSON value a document. */
export interface DocumentKind {
  /** A value as it is edited. `entries` are those that are about to be made on it. */
  readonly open: (value: CellText, entries: readonly MemoryEntry[]) => TreeMap;
  readonly place: Place;
  /** The value in the text form of the column's type. `entries` are those that were made on it. */
  readonly close: (top: TreeMap, entries: readonly MemoryEntry[]) => CellText;
}

/** Steps of the searches for the places of changes, for all entries together. */
const SEARCH_STEPS_MAX = 50_000_000;

/**
 * The value after the entries, which are in their order. A pure function of its arguments, whatever the order in which the entries
 * arrived. Where every writer had seen everything before, a change is made on the value as it is; Automerge is asked
 * only for episodes in which people wrote without knowledge of each other.
 */
export function foldDocument(kind: DocumentKind, value: CellText, entries: readonly MemoryEntry[]): CellText {
  if (entries.length === 0) return value;
  const budget: SearchBudget = { left: SEARCH_STEPS_MAX };
  let top = kind.open(value, entries);
  for (const episode of episodesOf(entries)) {
    const merged = episode.length === 1 ? null : mergeEpisode(top, episode, budget, kind.place);
    if (merged === null) {
      const draft = plainDraft(top, budget);
      for (const entry of episode) kind.place(draft, entry);
    } else top = merged;
  }
  return kind.close(top, entries);
}

/**
 * Cuts the entries into the shortest runs between which everybody had seen everything: the writer of each entry had seen all of the
 * earlier runs. An entry that nobody wrote beside is a run of its own.
 */
function episodesOf(entries: readonly MemoryEntry[]): readonly (readonly MemoryEntry[])[] {
  const unseen = firstUnseen(entries);
  const episodes: MemoryEntry[][] = [];
  let end = entries.length;
  let least = entries.length;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    least = Math.min(least, unseen[index] ?? 0);
    if (least < index) continue;
    episodes.push(entries.slice(index, end));
    end = index;
  }
  return episodes.toReversed();
}

/**
 * The greatest stamp, up to `before`, below which the entries can be folded without a change of the value: all later ones were
 * written by people who had seen everything below.
 */
export function foldLimit(entries: readonly MemoryEntry[], before: bigint): bigint {
  let limit = 0n;
  let end = 0;
  for (const episode of episodesOf(entries)) {
    end += episode.length;
    const [last, next] = [episode.at(-1), entries[end]];
    if (last === undefined || last.stamp >= before) break;
    if (next === undefined || next.stamp >= before) limit = before;
    else if (last.stamp < next.stamp) limit = next.stamp;
  }
  return limit;
}

/** For each entry the index of the first before it that its writer had not seen; its own when he had seen all. */
function firstUnseen(entries: readonly MemoryEntry[]): readonly number[] {
  const places = new Map<string, { readonly stamp: bigint; readonly index: number }[]>();
  return entries.map(({ node, stamp, seen }, index) => {
    let first = index;
    for (const [other, own] of places) if (other !== node) first = Math.min(first, firstAbove(own, seen, other) ?? index);
    const own = places.get(node) ?? [];
    places.set(node, own);
    own.push({ stamp, index });
    return first;
  });
}

function firstAbove(own: readonly { readonly stamp: bigint; readonly index: number }[], seen: Seen, node: string): number | null {
  const known = seen.get(node) ?? 0n;
  let [low, high] = [0, own.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((own[middle]?.stamp ?? 0n) > known) high = middle;
    else low = middle + 1;
  }
  return own[low]?.index ?? null;
}
