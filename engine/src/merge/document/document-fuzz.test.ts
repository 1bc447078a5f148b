import { randomInt } from "node:crypto";
import { cpuUsage, env } from "node:process";
import { beforeAll, describe, expect, it } from "vitest";
import { catalog } from "../../catalog/catalog.ts";
import { jsonb, text as textColumn } from "../../catalog/column.ts";
import { column, lastWriterWins } from "../../catalog/rule.ts";
import { forever, table } from "../../catalog/table.ts";
import { itemsOf, type Json, memoryOfJson } from "../memory/memory.ts";
import { opsFault, readOps } from "../memory/row-ops.ts";
import { valueOfMemory } from "../memory/memory-rule.ts";
import { rowPlan, type RowPlan } from "../row-plan.ts";
import { loadAutomerge } from "./automerge.ts";
import { documentCrashes } from "./document-crashes.ts";
import { randomOf } from "../../testing/random-of.ts";

beforeAll(loadAutomerge);

const pages = table("pages", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: { tenant_id: textColumn(), id: textColumn(), notes: textColumn().nullable(), tasks: jsonb().nullable() },
  scope: { tenant: "tenant_id" },
  writers: ["cloud"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      notes: column.document({ kind: "text", bytesMax: 4_000 }),
      tasks: column.document({ kind: "json", bytesMax: 4_000 }),
    },
  }),
  retain: { cloud: forever },
});
const { tables } = catalog({
  name: "fuzz",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud"],
  scopes: [],
  sharedTenant: "s",
  tables: [pages],
});
const plan: RowPlan = rowPlan(tables[0] ?? pages);

const NODES = [
  "00000000-0000-7000-8000-00000000000a",
  "00000000-0000-7000-8000-00000000000b",
  "00000000-0000-7000-8000-00000000000c",
] as const;

/** Operations as capture writes them; the fuzzer starts from these. */
const seeds: readonly string[] = [
  `{"$at":1,"notes":{"at":4,"before":"the ","cut":"hen","put":"hens 🐔","after":" sat"}}`,
  `{"$at":2,"$seen":{"${NODES[0]}":"3"},"notes":{"at":0,"put":"","none":true},"tasks":[]}`,
  `{"$at":1,"tasks":[{"path":["items"],"cut":"[{\\"id\\": 1, \\"done\\": false}]","put":"[{\\"id\\": 1, \\"done\\": true}, {\\"id\\": 2}]"}]}`,
  `{"$at":9,"tasks":[{"path":["a","b"],"put":"12345678901234567890"},{"path":["c"],"cut":"null"}],"notes":{"at":2147483647,"put":"x"}}`,
];

function generator(seed: number): (below: number) => number {
  const random = randomOf(seed);
  return (below) => Math.floor(random() * below);
}

const pieces = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  "null",
  "-1",
  "1e400",
  "9".repeat(40),
  "\\ud800",
  "\\u0000",
  "\\u0001",
  "🐔",
  "__proto__",
  "constructor",
  "id",
  "[".repeat(50),
  '"at":',
  '"cut":',
  "true",
];

function mutate(seed: string, random: (below: number) => number): string {
  let result = seed;
  for (let count = 1 + random(4); count > 0; count -= 1) {
    const place = random(result.length + 1);
    const length = random(3) === 0 ? random(12) : random(2);
    const insert =
      random(2) === 0 ? (pieces[random(pieces.length)] ?? "") : result.slice(random(result.length), random(result.length));
    result = (result.slice(0, place) + insert + result.slice(place + length)).slice(0, 2_000);
  }
  return result;
}

const before: Readonly<Record<string, Json>> = {
  notes: [["1", NODES[0], 1, true, { at: 0, put: "the hen sat\nall day" }, {}]],
  tasks: [["1", NODES[0], 1, true, [{ path: [], put: '{"items": [{"id": 1, "done": false}], "a": {"b": 1}}' }], {}]],
};
const beside: Readonly<Record<string, Json>> = {
  notes: [
    "2",
    NODES[1],
    1,
    false,
    { at: 8, before: "the hen ", cut: "sat", put: "stood", after: "\nall" },
    { seen: { [NODES[0]]: "1" } },
  ],
  tasks: [
    "2",
    NODES[1],
    1,
    false,
    [{ path: ["items"], cut: '[{"id": 1, "done": false}]', put: "[]" }],
    { seen: { [NODES[0]]: "1" } },
  ],
};

/** Takes a peer's operations in as a replica does. Returns whether they were let in; what is let in must have a value. */
function takeIn(text: string, isConcurrent: boolean): boolean {
  if (opsFault(text, plan) !== null) return false;
  const { at, ops } = readOps(text);
  for (const [name, op] of ops) {
    const rule = plan.memory.get(name);
    if (rule === undefined) throw new Error(`${name} was let in`);
    const others = isConcurrent ? [beside[name] ?? null] : [];
    const memory = memoryOfJson({
      ops: [...itemsOf(before[name]), ...others, ["3", NODES[2], at, false, op, { seen: { [NODES[0]]: "1" } }]],
    });
    const value = valueOfMemory(rule, memory);
    if (value !== null && name === "tasks") JSON.parse(value);
    rule.fold(null, memory.entries);
  }
  return true;
}

/** In an ordinary test run; `HAYLOFT_FUZZ_RUNS=1000000` runs more. */
const RUNS = Number(env["HAYLOFT_FUZZ_RUNS"] ?? 10_000);

describe("F-G12 hostile documents", () => {
  it("what once did harm does none any more", () => {
    for (const text of documentCrashes) for (const isConcurrent of [false, true]) takeIn(text, isConcurrent);
  });

  it("changed operations are refused or have a value, and none takes long", { timeout: 600_000 }, () => {
    const seed = randomInt(2 ** 31);
    const random = generator(seed);
    let accepted = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const text = mutate(seeds[run % seeds.length] ?? "", random);
      try {
        if (takeIn(text, run % 100 === 0)) accepted += 1;
      } catch (error) {
        throw new Error(`seed ${String(seed)}, run ${String(run)}: ${JSON.stringify(text)}`, { cause: error });
      }
    }
    expect(accepted).toBeGreaterThan(RUNS / 100);
  });

  it("operations that are too large, nested too deep, or hold half a character are refused by their shape", () => {
    const refused: readonly string[] = [
      `{"$at":1,"notes":{"at":0,"put":"${"x".repeat(4_001)}"}}`,
      `{"$at":1,"notes":{"at":0,"put":"\\ud83d"}}`,
      `{"$at":1,"notes":{"at":0,"put":"a\\u0000b"}}`,
      `{"$at":1,"notes":{"at":-1,"put":"x"}}`,
      `{"$at":1,"notes":{"at":0,"put":"x","bytes":"hW9Kg"}}`,
      `{"$at":1,"tasks":[{"path":[],"put":"${"[".repeat(1_900)}${"]".repeat(1_900)}x"}]}`,
      `{"$at":1,"tasks":[{"path":[1],"put":"1"}]}`,
      `{"$at":1,"tasks":[{"path":[],"put":"{\\"a\\": \\"\\\\ud800\\"}"}]}`,
      `{"$at":1,"notes":${"[".repeat(100)}${"]".repeat(100)}}`,
    ];
    for (const text of refused) expect(takeIn(text, false), text.slice(0, 80)).toBe(false);
  });

  it("the time of a merge is bounded whatever the operations are", { timeout: 120_000 }, () => {
    const rule = plan.memory.get("notes");
    if (rule === undefined) throw new Error("no rule");
    // Each of a thousand writers saw another part of the others' work: the worst for Automerge, and for searches.
    const node = (index: number): string => `00000000-0000-7000-8000-${index.toString(16).padStart(12, "0")}`;
    const ops = Array.from({ length: 1_000 }, (_, index) => [
      String(index + 2),
      node(index),
      1,
      false,
      { at: 2_000, before: "a".repeat(32), cut: "a".repeat(1_000), put: `b${"a".repeat(1_500)}`, after: "a".repeat(31) + "c" },
      { seen: { [node(index >> 1)]: String((index >> 1) + 2) } },
    ]);
    const start = cpuUsage();
    const memory = memoryOfJson({ ops: [["1", "x", 1, true, { at: 0, put: "a".repeat(4_000) }, {}], ...ops] });
    valueOfMemory(rule, memory);
    const { user, system } = cpuUsage(start);
    expect((user + system) / 1_000).toBeLessThan(5_000);
  });
});
