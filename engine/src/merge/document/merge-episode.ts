import { hasSeen, type MemoryEntry } from "../memory/memory.ts";
import { type AutomergeChange, MergeDocument } from "./automerge.ts";
import type { Draft, TreeMap } from "./draft.ts";
import type { SearchBudget } from "./text-search.ts";

/** How an operation is made on a value. */
export type Place = (draft: Draft, entry: MemoryEntry) => void;

/** Per node, how many entries of the episode a version of the document holds. Each holds a node's entries from the first on. */
type Version = ReadonlyMap<string, number>;

/** An episode with more entries, more versions, or more characters times versions is merged without Automerge. */
const ENTRIES_MAX = 1_000;
const FORKS_MAX = 64;
const WORK_MAX = 1_000_000;

const nameOf = (version: Version): string =>
  [...version]
    .map(([node, count]) => `${node} ${String(count)}`)
    .toSorted()
    .join();

const plusOne = (version: Version, node: string): Version => new Map(version).set(node, (version.get(node) ?? 0) + 1);

function entriesByNode(entries: readonly MemoryEntry[]): ReadonlyMap<string, readonly MemoryEntry[]> {
  const byNode = new Map<string, MemoryEntry[]>();
  for (const entry of entries) byNode.set(entry.node, [...(byNode.get(entry.node) ?? []), entry]);
  return byNode;
}

/** For each entry the version that its writer had before. */
function versionsSeen(entries: readonly MemoryEntry[]): readonly Version[] {
  const byNode = entriesByNode(entries);
  return entries.map((entry) => {
    const seen = new Map<string, number>();
    for (const [node, own] of byNode) {
      const count = own.findIndex((other) => other === entry || !hasSeen(entry, other));
      if (count !== 0) seen.set(node, count < 0 ? own.length : count);
    }
    return seen;
  });
}

/** True when Automerge merges these entries in a bounded time. Counted, not timed, so that every replica decides alike. */
function isAffordable(top: TreeMap, entries: readonly MemoryEntry[], seen: readonly Version[]): boolean {
  const tips = new Set<string>();
  let forks = 0;
  for (const [index, { node }] of entries.entries()) {
    const version = seen[index] ?? new Map<string, number>();
    if (!tips.delete(nameOf(version))) forks += 1;
    tips.add(nameOf(plusOne(version, node)));
  }
  const characters = entries.reduce((sum, { op }) => sum + JSON.stringify(op).length, JSON.stringify(top).length);
  return forks <= FORKS_MAX && forks * characters <= WORK_MAX;
}

/**
 * The value after entries of which some were written without knowledge of others. Each is made on the version that its writer
 * saw, and Automerge merges the versions. Entries are in their order, in which none comes before one that its writer had seen.
 * Null when there are too many versions to be merged in a bounded time.
 */
export function mergeEpisode(top: TreeMap, entries: readonly MemoryEntry[], budget: SearchBudget, place: Place): TreeMap | null {
  if (entries.length > ENTRIES_MAX) return null;
  const seen = versionsSeen(entries);
  if (!isAffordable(top, entries, seen)) return null;
  const root = MergeDocument.of(top);
  const tips = new Map<string, MergeDocument>();
  const changes = new Map<string, (AutomergeChange | null)[]>();
  let writers = 0;
  try {
    for (const [index, entry] of entries.entries()) {
      const version = seen[index] ?? new Map<string, number>();
      const known = tips.get(nameOf(version));
      const tip = known ?? root.fork((writers += 1));
      if (known === undefined) tip.apply(changesOf(changes, version));
      tips.delete(nameOf(version));
      tips.set(nameOf(plusOne(version, entry.node)), tip);
      const own = changes.get(entry.node) ?? [];
      changes.set(entry.node, own);
      own.push(tip.edit(budget, (draft) => place(draft, entry)));
    }
    root.apply(changesOf(changes, null));
    return root.read();
  } finally {
    for (const document of [root, ...tips.values()]) document.free();
  }
}

/** The changes of a version, or all of them. */
const changesOf = (
  changes: ReadonlyMap<string, readonly (AutomergeChange | null)[]>,
  version: Version | null,
): readonly AutomergeChange[] =>
  [...changes].flatMap(([node, own]) =>
    own.slice(0, version === null ? own.length : (version.get(node) ?? 0)).filter((change) => change !== null),
  );
