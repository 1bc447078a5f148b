import type { CellText } from "../../commit/commit.ts";
import { compareText } from "../compare-values.ts";
import { type Dot, hasSeen, itemsOf, type Json, type MemoryBase, type MemoryEntry, membersOf, textOf } from "./memory.ts";
import type { MemoryRule } from "./memory-rule.ts";
import { dotJson, dotOfJson, sameDot, survivingDots } from "./dot.ts";

/** Elements of a set, and characters of one. */
export const SET_ELEMENTS_MAX = 1_000;
export const SET_ELEMENT_CHARACTERS_MAX = 1_024;

/**
 * `setUnion`: a set of texts. A write is what it added and what it removed; a removal takes away the additions that its writer had seen
 * and no others, so that of a concurrent addition and removal the addition stays. An element is in the set when one of its
 * additions was not taken away. That depends on the set of operations alone, not on their order: commutative, associative,
 * idempotent. The value is a JSON array in the order of code points, each element once.
 *
 * The state of a base is, per element, the additions that are left; an addition that the base has seen and does not list is gone.
 */
export const setUnionRule: MemoryRule = {
  needsSeen: true,
  addsUp: true,
  keepsAuthor: false,
  opFault: (op) => (isSetOp(op) ? null : "a set's operation lists texts to add and to remove"),
  opOfValue: (value) => ({ add: elementsOf(value) }),
  valueOf: (base, entries) => arrayText([...additionsLeft(base, entries).keys()]),
  fold: (base, entries) => additionsJson(additionsLeft(base, entries)),
  joinStates: (left, right) => {
    const [mine, other] = [readAdditions(left), readAdditions(right)];
    const joined = new Map<string, readonly Dot[]>();
    for (const element of new Set([...mine.keys(), ...other.keys()])) {
      joined.set(element, survivingDots([mine.get(element) ?? [], left.seen], [other.get(element) ?? [], right.seen]));
    }
    return additionsJson(joined);
  },
};

function isSetOp(op: Json): boolean {
  const members = membersOf(op);
  const names = Object.keys(members);
  if (names.length === 0 || !names.every((name) => name === "add" || name === "remove")) return false;
  const lists = names.map((name) => members[name]);
  if (!lists.every((list) => Array.isArray(list) && list.length <= SET_ELEMENTS_MAX)) return false;
  const elements = lists.flatMap((list) => itemsOf(list));
  return elements.every(isElement) && new Set(elements).size === elements.length;
}

const isElement = (item: Json): boolean =>
  typeof item === "string" && item.length <= SET_ELEMENT_CHARACTERS_MAX && !item.includes("\0") && !/\p{Surrogate}/u.test(item);

/** The elements of a stored value; what is no text is left out. */
function elementsOf(value: CellText): readonly string[] {
  const items = itemsOf(value === null ? null : (JSON.parse(value) as Json));
  return items.filter((item) => typeof item === "string");
}

/** The text form that Postgres gives a jsonb array. */
const arrayText = (elements: readonly string[]): string =>
  `[${elements
    .toSorted(compareText)
    .map((element) => JSON.stringify(element))
    .join(", ")}]`;

const readAdditions = (base: MemoryBase | null): ReadonlyMap<string, readonly Dot[]> =>
  new Map(Object.entries(membersOf(base?.state)).map(([element, dots]) => [element, itemsOf(dots).map(dotOfJson)]));

/** Per element of the set the additions that nobody took away. */
function additionsLeft(base: MemoryBase | null, entries: readonly MemoryEntry[]): ReadonlyMap<string, readonly Dot[]> {
  const additions = new Map<string, Dot[]>([...readAdditions(base)].map(([element, dots]) => [element, [...dots]]));
  for (const entry of entries) {
    for (const element of itemsOf(membersOf(entry.op)["add"]).map(textOf)) {
      const known = additions.get(element) ?? [];
      additions.set(element, [...known.filter((dot) => !sameDot(dot, entry)), entry]);
    }
  }
  for (const entry of entries) {
    for (const element of itemsOf(membersOf(entry.op)["remove"]).map(textOf)) {
      const left = (additions.get(element) ?? []).filter((dot) => !hasSeen(entry, dot));
      if (left.length === 0) additions.delete(element);
      else additions.set(element, left);
    }
  }
  return additions;
}

const additionsJson = (additions: ReadonlyMap<string, readonly Dot[]>): Json =>
  Object.fromEntries(
    [...additions]
      .filter(([, dots]) => dots.length > 0)
      .toSorted(([left], [right]) => compareText(left, right))
      .map(([element, dots]) => [element, dots.map(dotJson)]),
  );
