import type { CellText } from "../../commit/commit.ts";
import {
  itemsOf,
  joinSeen,
  type Json,
  membersOf,
  type MemoryBase,
  type MemoryEntry,
  NOTHING_SEEN,
  type Seen,
  seenJson,
  seenOfJson,
} from "../memory/memory.ts";
import { diffSequences } from "./diff-sequences.ts";
import { compareText } from "../compare-values.ts";

/**
 * A value up to what was seen, as a base keeps it. Usually there is one. After the top was restored from a backup two bases may
 * each hold something of their own; then both values stay until the top folds again.
 */
export interface DocumentVersion {
  readonly seen: Seen;
  readonly value: CellText;
}

export const versionsJson = (versions: readonly DocumentVersion[]): Json =>
  versions.map(({ seen, value }) => ({ seen: seenJson(seen), value }));

function versionsOf(base: MemoryBase | null): readonly DocumentVersion[] {
  return itemsOf(base?.state).map((item) => {
    const { seen, value } = membersOf(item);
    return { seen: seenOfJson(seen), value: typeof value === "string" ? value : null };
  });
}

const dominates = (left: Seen, right: Seen): boolean => [...right].every(([node, stamp]) => (left.get(node) ?? 0n) >= stamp);

const compareVersions = (left: DocumentVersion, right: DocumentVersion): number =>
  compareText(JSON.stringify([seenJson(left.seen), left.value]), JSON.stringify([seenJson(right.seen), right.value]));

/** The versions of both of which no other holds more; of equal ones the greater. A join. */
export function joinVersions(left: MemoryBase, right: MemoryBase): Json {
  const all = [...versionsOf(left), ...versionsOf(right)].sort(compareVersions);
  const kept = all.filter((version, index) =>
    all.every(
      (other, place) =>
        place === index || !dominates(other.seen, version.seen) || (dominates(version.seen, other.seen) && place < index),
    ),
  );
  return versionsJson(kept);
}

/** The value of a base. Of several versions all lines stay: common ones once, the others beside each other. */
export function valueOfBase(base: MemoryBase | null, isText: boolean): CellText {
  const values = versionsOf(base)
    .map(({ value }) => value)
    .filter((value) => value !== null);
  if (!isText) return values.toSorted(compareText).at(-1) ?? null;
  return values.length === 0 ? null : values.reduce(unionOfLines);
}

function unionOfLines(left: string, right: string): string {
  const [mine, other] = [left.split("\n"), right.split("\n")];
  const lines: string[] = [];
  let place = 0;
  for (const { from, to, freshFrom, freshTo } of diffSequences(mine, other, mine.length + other.length)) {
    lines.push(...mine.slice(place, to), ...other.slice(freshFrom, freshTo));
    place = Math.max(to, from);
  }
  return [...lines, ...mine.slice(place)].join("\n");
}

/** What a base that holds these entries has seen. */
export const seenAfter = (base: MemoryBase | null, entries: readonly MemoryEntry[]): Seen =>
  entries.reduce(
    (seen, entry) => joinSeen(joinSeen(seen, entry.seen), new Map([[entry.node, entry.stamp]])),
    base?.seen ?? NOTHING_SEEN,
  );
