import type { CellText } from "../../commit/commit.ts";
import { compareRawValues, compareStamps, type Stamp } from "../register.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Per node the greatest stamp that somebody had seen of it in one row. */
export type Seen = ReadonlyMap<string, bigint>;

/** The name of one operation: the commit that brought it, and which statement of that commit. */
export interface Dot extends Stamp {
  readonly at: number;
}

/**
 * One operation on one cell. (`stamp`, `node`, `at`) names it: the commit that brought it, and which statement of that
 * commit. Stamp and node are the commit's own, never the operation's word for it, so that no node can write under another's name.
 */
export interface MemoryEntry extends Dot {
  /** True for the operation of an insert: it does not build on a value that somebody else gave the row. */
  readonly isFirst: boolean;
  readonly op: Json;
  /** What its writer had seen of other nodes. Of its own node it had seen everything before. */
  readonly seen: Seen;
  readonly author: string | null;
  readonly tier: string | null;
}

/** Operations that the top has folded together: all of each node up to the stamp in `seen`. */
export interface MemoryBase {
  readonly seen: Seen;
  readonly state: Json;
}

/**
 * What a cell remembers beside its value. The value is a pure function of it.
 * `image` is a value that came without its operations; it counts until the cell knows where it began (`isRooted`).
 */
export interface Memory {
  readonly image: CellText | undefined;
  readonly base: MemoryBase | null;
  /** In the order of `compareEntries`, none twice. */
  readonly entries: readonly MemoryEntry[];
}

export const EMPTY_MEMORY: Memory = { image: undefined, base: null, entries: [] };
export const NOTHING_SEEN: Seen = new Map();

/** Orders entries by commit, then by statement. */
export const compareEntries = (left: Dot, right: Dot): number => compareStamps(left, right) || left.at - right.at;

/** True when nothing that came before can still be missing: a base or an insert is known. */
const isRooted = ({ base, entries }: Memory): boolean => base !== null || entries.some(({ isFirst }) => isFirst);

/** True when the writer of `later` had seen `earlier`. */
export function hasSeen(later: MemoryEntry, earlier: Dot): boolean {
  if (later.node === earlier.node) return compareEntries(earlier, later) < 0;
  // Nobody has seen what is later than his own commit; a writer whose clock was ahead says so of what has other stamps by now.
  return earlier.stamp <= later.stamp && (later.seen.get(earlier.node) ?? 0n) >= earlier.stamp;
}

/** True when the base holds, or has settled, what was written under the stamp. */
const isFolded = (base: MemoryBase | null, { stamp, node }: Stamp): boolean =>
  base !== null && (base.seen.get(node) ?? 0n) >= stamp;

/** True when a base holds, or has settled, some of what is only now said to have been done. */
export const isTooLate = (known: Memory | undefined, { entries }: Memory): boolean =>
  entries.some((entry) => isFolded(known?.base ?? null, entry));

/** Per node the greater of both. */
export function joinSeen(left: Seen, right: Seen): Seen {
  if (right.size === 0) return left;
  const joined = new Map(left);
  for (const [node, stamp] of right) if (stamp > (joined.get(node) ?? 0n)) joined.set(node, stamp);
  return joined;
}

/** True when the left has seen everything that the right has. */
export const dominates = (left: Seen, right: Seen): boolean =>
  [...right].every(([node, stamp]) => (left.get(node) ?? 0n) >= stamp);

/**
 * The join of two memories: of each operation one, of images the greater, of bases the one that holds more, and `joinStates`
 * where each holds something that the other does not. An entry that the base holds goes. A union, and maxima over orders
 * (`joinStates` has to be a join as well), hence commutative, associative and idempotent.
 */
export function joinMemories(left: Memory, right: Memory, joinStates: (left: MemoryBase, right: MemoryBase) => Json): Memory {
  const base = joinBases(left.base, right.base, joinStates);
  const entries = joinEntries(left.entries, right.entries).filter((entry) => !isFolded(base, entry));
  const joined = { image: undefined, base, entries };
  return isRooted(joined) ? joined : { ...joined, image: joinImages(left.image, right.image) };
}

function joinBases(
  left: MemoryBase | null,
  right: MemoryBase | null,
  joinStates: (left: MemoryBase, right: MemoryBase) => Json,
): MemoryBase | null {
  if (left === null || right === null) return left ?? right;
  if (dominates(left.seen, right.seen)) return left;
  if (dominates(right.seen, left.seen)) return right;
  return { seen: joinSeen(left.seen, right.seen), state: joinStates(left, right) };
}

function joinImages(left: CellText | undefined, right: CellText | undefined): CellText | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return compareRawValues(left, right) >= 0 ? left : right;
}

/** Both lists in order, each entry once. Of two with one name (only a broken peer makes them) the greater text stays. */
function joinEntries(left: readonly MemoryEntry[], right: readonly MemoryEntry[]): readonly MemoryEntry[] {
  if (left.length === 0 || right.length === 0) return left.length === 0 ? right : left;
  const joined: MemoryEntry[] = [];
  let [a, b] = [0, 0];
  for (;;) {
    const mine = left[a];
    const other = right[b];
    if (mine === undefined || other === undefined) return [...joined, ...left.slice(a), ...right.slice(b)];
    const order = compareEntries(mine, other);
    if (order === 0) joined.push(greater(mine, other));
    else joined.push(order < 0 ? mine : other);
    if (order <= 0) a += 1;
    if (order >= 0) b += 1;
  }
}

const greater = (left: MemoryEntry, right: MemoryEntry): MemoryEntry =>
  left === right || entryText(left) >= entryText(right) ? left : right;

/** The memory without what was written under a stamp; empty when nothing is left. */
export function memoryWithout(memory: Memory, stamp: Stamp): Memory {
  const entries = memory.entries.filter((entry) => compareStamps(entry, stamp) !== 0);
  return entries.length === memory.entries.length ? memory : { ...memory, entries };
}

/** What the memory's cell has seen of each node. */
export function seenOf({ base, entries }: Memory): Seen {
  const seen = new Map(base?.seen ?? []);
  for (const { node, stamp } of entries) if (stamp > (seen.get(node) ?? 0n)) seen.set(node, stamp);
  return seen;
}

const entryText = (entry: MemoryEntry): string => canonicalJson(entryJson(entry));

/** JSON with the keys of every object in order, so that equal values have equal texts. */
export function canonicalJson(value: Json): string {
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`).join(",")}}`;
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** The members of a JSON object; none for anything else. */
export const membersOf = (value: Json | undefined): Readonly<Record<string, Json>> =>
  typeof value === "object" && value !== null && !isList(value) ? value : {};

/** A JSON text or number as text; empty for anything else. */
export const textOf = (value: Json | undefined): string =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

/** The items of a JSON array; none for anything else. */
export const itemsOf = (value: Json | undefined): readonly Json[] => (isList(value) ? value : []);

export const seenJson = (seen: Seen): Json =>
  Object.fromEntries(
    [...seen].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([node, stamp]) => [node, String(stamp)]),
  );

export const seenOfJson = (value: Json | undefined): Seen =>
  new Map(Object.entries(membersOf(value)).map(([node, stamp]) => [node, BigInt(textOf(stamp))]));

const entryJson = ({ stamp, node, at, isFirst, op, seen, author, tier }: MemoryEntry): Json => [
  String(stamp),
  node,
  at,
  isFirst,
  op,
  {
    ...(author !== null && { author }),
    ...(seen.size > 0 && { seen: seenJson(seen) }),
    ...(tier !== null && { tier }),
  },
];

function entryOfJson(value: Json): MemoryEntry {
  const [stamp, node, at, isFirst, op, more] = itemsOf(value);
  const { author, tier, seen } = membersOf(more);
  return {
    stamp: BigInt(textOf(stamp)),
    node: textOf(node),
    at: Number(at),
    isFirst: isFirst === true,
    op: op ?? null,
    seen: seen === undefined ? NOTHING_SEEN : seenOfJson(seen),
    author: typeof author === "string" ? author : null,
    tier: typeof tier === "string" ? tier : null,
  };
}

/** The memory as it stands in `$memory` of a `stamps` document. */
export const memoryJson = ({ image, base, entries }: Memory): Json => ({
  ...(image !== undefined && { image }),
  ...(base !== null && { base: { seen: seenJson(base.seen), state: base.state } }),
  ...(entries.length > 0 && { ops: entries.map(entryJson) }),
});

/** Reads `memoryJson`. The database appends operations at the end; here they are in their order again. */
export function memoryOfJson(value: Json): Memory {
  const { image, base, ops } = membersOf(value);
  const { seen, state } = membersOf(base);
  const known = base === undefined ? null : { seen: seenOfJson(seen), state: state ?? null };
  const entries = itemsOf(ops).map(entryOfJson);
  return {
    image: image === undefined || (image !== null && typeof image !== "string") ? undefined : image,
    base: known,
    entries: entries.filter((entry) => !isFolded(known, entry)).sort(compareEntries),
  };
}
