import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compactMemory, type MemoryRule, valueOfMemory } from "../memory/memory-rule.ts";
import { joinMemories, type Memory, type MemoryEntry } from "../memory/memory.ts";
import { loadAutomerge } from "./automerge.ts";
import { documentRule } from "./document-rule.ts";
import { memoryOfEntries, SampleReplica, textOpOf } from "./sample-documents.ts";

beforeAll(loadAutomerge);

const text = documentRule("text", 65_536);

/** Words that are there once each. A word is put in between two words or taken out whole, so that it can be found again. */
class Notebook {
  readonly replicas = ["a", "b", "c"].map((name) => new SampleReplica(name, text));
  readonly written = new Set<string>();
  readonly removed = new Set<string>();
  readonly entries: MemoryEntry[] = [];
  #stamp = 1n;

  constructor() {
    const [first] = this.replicas;
    if (first === undefined) throw new Error("no replica");
    this.entries.push(first.write(textOpOf(null, "the log of barn 4"), this.#stamp, true));
    for (const other of this.replicas) other.take(first.memory);
  }

  get now(): bigint {
    return this.#stamp;
  }

  replica(index: number): SampleReplica {
    const found = this.replicas[index % this.replicas.length];
    if (found === undefined) throw new Error("no replica");
    return found;
  }

  put(index: number, place: number): void {
    const replica = this.replica(index);
    const words = (replica.value ?? "").split(" ");
    const word = `w${String(this.written.size)}${replica.name}`;
    this.written.add(word);
    words.splice(place % (words.length + 1), 0, word);
    this.#write(replica, words.join(" "));
  }

  takeOut(index: number, place: number): void {
    const replica = this.replica(index);
    const words = (replica.value ?? "").split(" ");
    const [word] = words.splice(place % words.length, 1);
    if (word === undefined || !this.written.has(word)) return;
    this.removed.add(word);
    this.#write(replica, words.join(" "));
  }

  #write(replica: SampleReplica, value: string): void {
    this.#stamp += 1n;
    this.entries.push(replica.write(textOpOf(replica.value, value), this.#stamp));
    if (replica.value !== value) throw new Error(`${replica.name} wrote ${value} and has ${String(replica.value)}`);
  }

  meet(one: number, two: number): void {
    const [left, right] = [this.replica(one), this.replica(two)];
    left.take(right.memory);
    right.take(left.memory);
  }

  meetAll(): void {
    for (const [one, two] of [
      [0, 1],
      [1, 2],
      [0, 1],
      [0, 2],
    ] as const)
      this.meet(one, two);
  }

  /** What is wrong at the end, or nothing. A space may go with the word beside it; the words themselves stay whole. */
  faults(): readonly string[] {
    const values = this.replicas.map(({ value }) => value ?? "");
    const lost = [...this.written].filter((word) => !this.removed.has(word) && values[0]?.includes(word) !== true);
    return [...(new Set(values).size === 1 ? [] : ["values differ"]), ...lost, ...(lost.length === 0 ? [] : values)];
  }
}

type Step = { readonly kind: "put" | "out" | "meet" | "fold"; readonly one: number; readonly two: number };

const steps = (kinds: readonly Step["kind"][]): fc.Arbitrary<readonly Step[]> =>
  fc.array(fc.record({ kind: fc.constantFrom(...kinds), one: fc.nat(2), two: fc.nat(40) }), { minLength: 3, maxLength: 25 });

/** The top folds what is older than some entry; what it folded reaches the others when they meet. */
function fold(rule: MemoryRule, notebook: Notebook, two: number): void {
  const top = notebook.replica(0);
  top.replace(compactMemory(rule, top.memory, notebook.now - BigInt(two % 4)));
}

function run(list: readonly Step[]): Notebook {
  const notebook = new Notebook();
  for (const { kind, one, two } of list) {
    if (kind === "put") notebook.put(one, two);
    else if (kind === "out") notebook.takeOut(one, two);
    else if (kind === "meet") notebook.meet(one, one + 1 + (two % 2));
    else fold(text, notebook, two);
  }
  notebook.meetAll();
  return notebook;
}

/** The last word goes in front of "4", with which the text ends; one of the others' words has a 4 in its middle. */
const shortSurroundings: readonly Step[] = [
  { kind: "put", one: 1, two: 0 },
  { kind: "put", one: 1, two: 0 },
  { kind: "put", one: 0, two: 2 },
  { kind: "put", one: 1, two: 0 },
  { kind: "put", one: 0, two: 4 },
  { kind: "put", one: 0, two: 0 },
  { kind: "fold", one: 0, two: 0 },
  { kind: "put", one: 0, two: 0 },
  { kind: "put", one: 1, two: 34 },
];

describe("document: concurrent edits of one text", () => {
  it("end equal on three replicas with every edit in them, whatever was exchanged when", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(steps(["put", "put", "out", "meet"]), (list) => {
        expect(run(list).faults()).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("end equal with every edit in them when the top folds history while others are away", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(steps(["put", "put", "meet", "fold"]), (list) => {
        expect(run(list).faults()).toEqual([]);
      }),
      { numRuns: 60, examples: [[shortSurroundings]] },
    );
  });

  it("give one value in every order of arrival, also when entries arrive twice", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(steps(["put", "out", "meet"]), fc.infiniteStream(fc.nat()), (list, random) => {
        const { entries, replicas } = run(list);
        const shuffled = [...entries, ...entries]
          .map((entry) => ({ entry, order: random.next().value ?? 0 }))
          .sort((x, y) => x.order - y.order);
        const memory = shuffled.reduce<Memory>(
          (sum, { entry }) => joinMemories(sum, memoryOfEntries(entry), text.joinStates),
          memoryOfEntries(),
        );
        expect(valueOfMemory(text, memory)).toBe(replicas[0]?.value);
      }),
      { numRuns: 40 },
    );
  });

  it("end equal in all interleavings of two writers with two edits each", { timeout: 60_000 }, () => {
    let runs = 0;
    for (const order of interleavings(["a0", "a1", "b0", "b1"])) {
      for (const meetings of [0, 1, 2, 3, 4, 5, 6, 7]) {
        const notebook = new Notebook();
        for (const [index, step] of order.entries()) {
          const writer = step.startsWith("a") ? 0 : 1;
          if (step.endsWith("0")) notebook.put(writer, 2);
          else notebook.takeOut(writer, 2 + writer);
          if ((meetings >> index) % 2 === 1) notebook.meet(0, 1);
        }
        notebook.meetAll();
        expect(notebook.faults()).toEqual([]);
        runs += 1;
      }
    }
    expect(runs).toBe(48);
  });
});

/** The orders of the names in which those with one letter keep theirs. */
function interleavings(names: readonly string[]): readonly (readonly string[])[] {
  if (names.length === 0) return [[]];
  return names.flatMap((name, index) => {
    if (names.slice(0, index).some((other) => other.charAt(0) === name.charAt(0))) return [];
    return interleavings(names.filter((_, place) => place !== index)).map((rest) => [name, ...rest]);
  });
}
