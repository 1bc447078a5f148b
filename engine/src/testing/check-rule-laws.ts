import fc from "fast-check";
import type { Column } from "../catalog/column.ts";
import type { ColumnRule } from "../catalog/rule.ts";
import type { CellText } from "../commit/commit.ts";
import {
  EMPTY_MEMORY,
  joinMemories,
  type Json,
  type Memory,
  type MemoryEntry,
  memoryJson,
  memoryOfJson,
  memoryWithout,
} from "../merge/memory/memory.ts";
import { compactMemory, type MemoryRule, memoryRuleOf, valueOfMemory } from "../merge/memory/memory-rule.ts";

/** One step of a history: a node writes, or takes in all that another knows. */
interface Step {
  readonly node: number;
  readonly from: number | null;
  readonly op: Json;
}

const NODES = [
  "00000000-0000-7000-8000-000000000001",
  "00000000-0000-7000-8000-000000000002",
  "00000000-0000-7000-8000-000000000003",
];

const steps = (ops: fc.Arbitrary<Json>): fc.Arbitrary<readonly Step[]> => {
  const node = fc.nat({ max: NODES.length - 1 });
  return fc.array(fc.record({ node, from: fc.option(node, { nil: null }), op: ops }), { minLength: 1, maxLength: 10 });
};

/** Everything that the nodes wrote, each with what it had seen. */
function entriesOfHistory(history: readonly Step[]): readonly MemoryEntry[] {
  const known: readonly Set<MemoryEntry>[] = NODES.map(() => new Set());
  const all: MemoryEntry[] = [];
  for (const { node, from, op } of history) {
    const mine = known[node];
    if (mine === undefined) continue;
    if (from !== null && from !== node) {
      known[from]?.forEach((entry) => mine.add(entry));
      continue;
    }
    const seen = new Map<string, bigint>();
    for (const entry of mine) {
      if (entry.node !== NODES[node] && entry.stamp > (seen.get(entry.node) ?? 0n)) seen.set(entry.node, entry.stamp);
    }
    const entry: MemoryEntry = {
      stamp: BigInt(all.length + 1),
      node: NODES[node] ?? "",
      at: 1,
      isFirst: all.length === 0,
      op,
      seen,
      author: null,
      tier: "edge",
    };
    mine.add(entry);
    all.push(entry);
  }
  return all;
}

class LawBroken extends Error {
  constructor(law: string, left: unknown, right: unknown) {
    super(`the rule is not ${law}: ${JSON.stringify(left)} and ${JSON.stringify(right)}`);
    this.name = "LawBroken";
  }
}

function same(law: string, left: unknown, right: unknown): void {
  if (JSON.stringify(left) !== JSON.stringify(right)) throw new LawBroken(law, left, right);
}

/**
 * Holds a column's rule to the laws that replication stands on, with random histories of three nodes: operations may arrive in any
 * order, any number of times, folded into a base or not, be written to the database and read back, and be taken back, and the value is
 * always that of the set of operations. `ops` makes operations of the rule; for `review` and `custom` these are values of the column in
 * Postgres text form, or null. Throws with the smallest history that breaks a law, and its seed. For rules that merge operations;
 * throws `TypeError` for any other.
 */
export function checkRuleLaws(
  rule: ColumnRule,
  column: Column,
  ops: fc.Arbitrary<Json>,
  options: { readonly runs?: number } = {},
): void {
  const memory = memoryRuleOf(rule, column);
  if (memory === null) throw new TypeError(`the rule ${rule.kind} merges no operations`);
  const parts = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat({ max: 11 }), fc.nat({ max: 11 }));
  fc.assert(
    fc.property(steps(ops), parts, (history, [a, b, c, early, late]) => {
      const entries = entriesOfHistory(history);
      checkHistory(memory, entries, [a, b, c], [BigInt(Math.min(early, late)), BigInt(Math.max(early, late))]);
    }),
    { numRuns: options.runs ?? 500 },
  );
}

/** The entries of a bit mask, as a memory. */
const part = (entries: readonly MemoryEntry[], mask: number): Memory => ({
  ...EMPTY_MEMORY,
  entries: entries.filter((_, index) => ((mask >> index) & 1) === 1),
});

function checkHistory(
  rule: MemoryRule,
  entries: readonly MemoryEntry[],
  masks: readonly [number, number, number],
  [early, late]: readonly [bigint, bigint],
): void {
  const join = (left: Memory, right: Memory): Memory => joinMemories(left, right, rule.joinStates);
  const value = (memory: Memory): CellText => valueOfMemory(rule, memory);
  const shown = (memory: Memory): Json => [memoryJson(memory), value(memory)];
  const whole: Memory = { ...EMPTY_MEMORY, entries };
  for (const { op } of entries) same("sound in its operations", rule.opFault(op), null);
  const [a, b, c] = [part(entries, masks[0]), part(entries, masks[1]), part(entries, masks[2])];
  same("commutative", shown(join(a, b)), shown(join(b, a)));
  same("associative", shown(join(join(a, b), c)), shown(join(a, join(b, c))));
  same("idempotent", shown(join(join(a, b), b)), shown(join(a, b)));
  same("a function of its operations", value(whole), value({ ...EMPTY_MEMORY, entries: [...entries] }));
  const oneByOne = entries.toReversed().reduce((sum, entry) => join(sum, { ...EMPTY_MEMORY, entries: [entry] }), EMPTY_MEMORY);
  same("free of the order of arrival", shown(oneByOne), shown(whole));
  same("the same when it is read back", shown(memoryOfJson(memoryJson(whole))), shown(whole));
  const [first, second] = [compactMemory(rule, whole, early), compactMemory(rule, whole, late)];
  same("the same when it is folded", value(second), value(whole));
  same("the same when it is folded in steps", shown(compactMemory(rule, first, late)), shown(second));
  same("the same when a folded memory meets operations", shown(join(second, a)), shown(second));
  same("the same when two folded memories meet", shown(join(first, second)), shown(join(second, first)));
  same("the same when two folded memories meet", value(join(first, second)), value(whole));
  const last = entries.at(-1);
  if (last === undefined) return;
  const without = entries.filter((entry) => entry !== last);
  same("without what was taken back", shown(memoryWithout(whole, last)), shown({ ...EMPTY_MEMORY, entries: without }));
  const alone: Memory = { ...EMPTY_MEMORY, entries: [{ ...last, isFirst: true, seen: new Map() }] };
  same("the value itself when there is only one", value(alone), value({ ...EMPTY_MEMORY, image: value(alone) }));
}
