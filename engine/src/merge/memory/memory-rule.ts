import type { Column } from "../../catalog/column.ts";
import { hasMemory, type ColumnRule } from "../../catalog/rule.ts";
import type { CellText } from "../../commit/commit.ts";
import { compareStamps, type Join, type Register, type Stamp } from "../register.ts";
import { documentRule } from "../document/document-rule.ts";
import { counterRule } from "./counter.ts";
import {
  EMPTY_MEMORY,
  hasSeen,
  joinMemories,
  joinSeen,
  type Json,
  type Memory,
  type MemoryBase,
  type MemoryEntry,
  memoryWithout,
  NOTHING_SEEN,
} from "./memory.ts";

import { customRule } from "./custom.ts";
import { reviewRule } from "./review.ts";
import { setUnionRule } from "./set-union.ts";

/**
 * A rule that merges what was done to a cell instead of the values that came out of it. The cell's memory is the set of all
 * operations; joining two memories is their union (`joinMemories`), the same for every rule, and the value is a pure function of
 * it. So a rule of this kind is commutative, associative and idempotent by construction, and what is left to it is to say what
 * a set of operations means.
 */
export interface MemoryRule {
  /** True when an operation has to say what its writer had seen: `entry.seen`. */
  readonly needsSeen: boolean;
  /** True when the value is made of all operations, so that what one of them did cannot be put in the place of the rest. */
  readonly addsUp: boolean;
  /** True when entries keep the person and the tier that wrote them. */
  readonly keepsAuthor: boolean;
  /** Why a peer's operation is not one of this rule, or null. Bounds its size. */
  readonly opFault: (op: Json) => string | null;
  /** To be awaited before a value is worked out. */
  readonly prepare?: () => Promise<void>;
  /** Why a memory with its value is more than the rule takes from a child, or null: what it held already may stay. */
  readonly memoryFault?: (memory: Memory, value: CellText) => string | null;
  /** The operation that a whole value stands for, when nothing else is known of how it came to be. */
  readonly opOfValue: (value: CellText) => Json;
  /** The value, in the text form of the column's type, of a base and the entries that it does not hold, in order. */
  readonly valueOf: (base: MemoryBase | null, entries: readonly MemoryEntry[]) => CellText;
  /** The state of a base with these entries in it. `entries` hold all of each node up to some stamp. */
  readonly fold: (base: MemoryBase | null, entries: readonly MemoryEntry[]) => Json;
  /** Up to which stamp entries may be folded, when those below `before` may; by default all of these. */
  readonly foldLimit?: (entries: readonly MemoryEntry[], before: bigint) => bigint;
  /** The state of two bases of which neither holds all of the other. A join. */
  readonly joinStates: (left: MemoryBase, right: MemoryBase) => Json;
}

/** The memory rule of a column, or null when its rule merges values. */
export function memoryRuleOf(rule: ColumnRule, column: Column): MemoryRule | null {
  if (!hasMemory(rule)) return null;
  switch (rule.kind) {
    case "counter":
      return counterRule(column.type);
    case "setUnion":
      return setUnionRule;
    case "custom":
      return customRule(column, rule.rule);
    case "document":
      return documentRule(rule.format, rule.bytesMax);
    case "review":
      break;
  }
  return reviewRule(column, rule.show);
}

/** The value of a memory. An image stands before all operations. */
export function valueOfMemory(rule: MemoryRule, { image, base, entries }: Memory): CellText {
  if (image === undefined) return rule.valueOf(base, entries);
  const known: MemoryEntry = {
    stamp: 0n,
    node: "",
    at: 0,
    isFirst: true,
    op: rule.opOfValue(image),
    seen: NOTHING_SEEN,
    author: null,
    tier: null,
  };
  return rule.valueOf(base, [known, ...entries]);
}

/** The value that an operation makes of another value, of which its writer has seen everything. */
export function valueAfter(rule: MemoryRule, value: CellText, op: Json): CellText {
  const entry = { stamp: 1n, node: "after", at: 1, isFirst: false, op, seen: NOTHING_SEEN, author: null, tier: null };
  return valueOfMemory(rule, { image: value, base: null, entries: [entry] });
}

/** A register whose value is worked out from its memory when somebody asks. */
class MemoryRegister implements Register {
  readonly stamp: bigint;
  readonly node: string;
  readonly memory: Memory;
  readonly #rule: MemoryRule;
  #value: CellText | undefined;

  constructor(rule: MemoryRule, memory: Memory, { stamp, node }: Stamp) {
    this.#rule = rule;
    this.memory = memory;
    this.stamp = stamp;
    this.node = node;
  }

  get value(): CellText {
    if (this.#value === undefined) this.#value = valueOfMemory(this.#rule, this.memory);
    return this.#value;
  }
}

export const memoryRegister = (rule: MemoryRule, memory: Memory, written: Stamp): Register =>
  new MemoryRegister(rule, memory, written);

/** What a register remembers; a plain value is an image. */
const memoryOf = (register: Register): Memory => register.memory ?? { ...EMPTY_MEMORY, image: register.value };

/** The join of a column with memory. Its stamp is the later of both. */
export function joinByMemory(rule: MemoryRule): Join {
  return (left, right) =>
    memoryRegister(
      rule,
      joinMemories(memoryOf(left), memoryOf(right), rule.joinStates),
      compareStamps(left, right) >= 0 ? left : right,
    );
}

/** The register without what was written under a stamp, or null when nothing else is known of the cell. */
export function registerWithout(rule: MemoryRule, register: Register, stamp: Stamp): Register | null {
  const { memory } = register;
  if (memory === undefined) return compareStamps(register, stamp) === 0 ? null : register;
  const left = memoryWithout(memory, stamp);
  if (left === memory) return register;
  const last = left.entries.at(-1);
  if (last === undefined && left.base === null && left.image === undefined) return null;
  return memoryRegister(rule, left, latestOf(left) ?? { stamp: 0n, node: "" });
}

/**
 * The writes that a cell consists of, each with the value of what it did alone: of a column with memory one for each commit whose operations
 * it knows, without those that another one has replaced, and what it cannot tell apart as one; of any other column the one that stands.
 */
export function writesOf(rule: MemoryRule | undefined, register: Register): readonly Register[] {
  const { memory } = register;
  if (rule === undefined || memory === undefined) return [register];
  const apart: { readonly written: Stamp; readonly entries: MemoryEntry[] }[] = [];
  const isReplaced = (entry: MemoryEntry): boolean => !rule.addsUp && memory.entries.some((later) => hasSeen(later, entry));
  for (const entry of memory.entries) {
    if (isReplaced(entry)) continue;
    const last = apart.at(-1);
    if (last !== undefined && compareStamps(last.written, entry) === 0) last.entries.push(entry);
    else apart.push({ written: entry, entries: [entry] });
  }
  const writes = apart.map(({ written, entries }) => memoryRegister(rule, { ...EMPTY_MEMORY, entries }, written));
  const isKnown = register.stamp === 0n || memory.entries.some((entry) => compareStamps(entry, register) === 0);
  return isKnown ? writes : [...writes, register];
}

/** The latest write that a memory knows of. */
function latestOf({ base, entries }: Memory): Stamp | null {
  const stamps: Stamp[] = [...(base?.seen ?? [])].map(([node, stamp]) => ({ stamp, node }));
  const last = entries.at(-1);
  if (last !== undefined) stamps.push(last);
  return stamps.reduce<Stamp | null>((best, next) => (best === null || compareStamps(next, best) > 0 ? next : best), null);
}

/**
 * Folds entries that were written before a stamp into the base. Only the top does it, with what it has accepted. Why a replica
 * that has not folded still agrees:
 *
 * - The base says of each node up to which stamp it holds everything (`seen`). Operations of one node on one row reach the top in
 *   the order of their stamps: an origin's commits come in order, and one that touches a row waits with an earlier one that is
 *   held. So what the top has folded of a node is all that it will ever accept of it up to that stamp; what comes later all the same,
 *   such as a commit that a relay had held and released, it refuses (`refused-late`). What an entry's writer had seen counts as settled
 *   too, so that an entry is only folded when all of that is here.
 * - Joining a base with entries drops those that it holds, wherever they are, so that each counts once: an entry that arrives
 *   after the base, from a log or a snapshot, changes nothing, and an entry above the base's stamps still counts.
 * - A base made later holds all that an earlier one held. After the top was restored from a backup two bases may each hold
 *   something of their own; `joinStates` takes from both, by the same stamps.
 * - What a commit wrote that the top refuses is never in a base, so that it can always be taken back.
 */
export function compactMemory(rule: MemoryRule, memory: Memory, before: bigint): Memory {
  const old = memory.entries.filter(({ stamp }) => stamp < before);
  if (old.length === 0 || memory.image !== undefined) return memory;
  const folded = new Set(old);
  const seen = old.reduce(
    (sum, entry) => joinSeen(joinSeen(sum, entry.seen), new Map([[entry.node, entry.stamp]])),
    memory.base?.seen ?? NOTHING_SEEN,
  );
  return {
    image: undefined,
    base: { seen, state: rule.fold(memory.base, old) },
    entries: memory.entries.filter((entry) => !folded.has(entry)),
  };
}
