import type { CellText } from "../../commit/commit.ts";
import {
  EMPTY_MEMORY,
  joinMemories,
  type Json,
  type Memory,
  type MemoryEntry,
  memoryJson,
  memoryOfJson,
  seenOf,
} from "../memory/memory.ts";
import { type MemoryRule, valueOfMemory } from "../memory/memory-rule.ts";

/** The operation that capture makes of two texts; the SQL function `hayloft.text_op` gives the same. */
export function textOpOf(before: string | null, after: string | null): Json {
  const [old, fresh] = [Array.from(before ?? ""), Array.from(after ?? "")];
  const shorter = Math.min(old.length, fresh.length);
  let start = 0;
  while (start < shorter && old[start] === fresh[start]) start += 1;
  let end = 0;
  while (end < shorter - start && old[old.length - 1 - end] === fresh[fresh.length - 1 - end]) end += 1;
  const texts = {
    before: old.slice(Math.max(0, start - 32), start),
    cut: old.slice(start, old.length - end),
    put: fresh.slice(start, fresh.length - end),
    after: old.slice(old.length - end, Math.min(old.length, old.length - end + 32)),
  };
  const found = Object.entries(texts).filter(([, list]) => list.length > 0);
  return {
    at: start,
    ...Object.fromEntries(found.map(([name, list]) => [name, list.join("")])),
    ...(after === null && { none: true }),
  };
}

/** A replica of one cell, without a database: it writes, takes in what others wrote, and can stay away. */
export class SampleReplica {
  readonly name: string;
  readonly #rule: MemoryRule;
  #memory: Memory = EMPTY_MEMORY;

  constructor(name: string, rule: MemoryRule) {
    this.name = name;
    this.#rule = rule;
  }

  get memory(): Memory {
    return this.#memory;
  }

  get value(): CellText {
    return valueOfMemory(this.#rule, this.#memory);
  }

  /** Writes, and returns what travels. */
  write(op: Json, stamp: bigint, isFirst = false): MemoryEntry {
    const seen = new Map([...seenOf(this.#memory)].filter(([node]) => node !== this.name));
    const entry = { stamp, node: this.name, at: 1, isFirst, op, seen, author: null, tier: null };
    this.take({ ...EMPTY_MEMORY, entries: [entry] });
    return entry;
  }

  /** Takes in a memory that came over the wire. */
  take(memory: Memory): void {
    this.#memory = joinMemories(this.#memory, memoryOfJson(memoryJson(memory)), this.#rule.joinStates);
  }

  replace(memory: Memory): void {
    this.#memory = memory;
  }
}

export const memoryOfEntries = (...entries: readonly MemoryEntry[]): Memory => ({ ...EMPTY_MEMORY, entries });
