import { afterAll, beforeAll, expect, it } from "vitest";
import type { CellText, Change } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { Forger } from "./forger.ts";
import { sampleMemory } from "./sample-memory.ts";
import { TestReplica } from "./test-replica.ts";

let cloud: TestReplica;
let forger: Forger;
beforeAll(async () => {
  cloud = await TestReplica.open(freshPglite, "cloud", { catalog: sampleMemory });
  forger = new Forger(cloud);
}, 180_000);
afterAll(async () => await cloud.close());

const ROW = { tenant_id: "t1", id: "s1" };
const NODE = newId();

function change(table: string, op: Change["op"], cells: Readonly<Record<string, CellText>>): Change {
  const row: Readonly<Record<string, CellText>> = { ...ROW, ...cells };
  return { table, op, columns: Object.keys(row), values: Object.values(row).map((value) => [value]), rowCount: 1 };
}

const nested = (depth: number): unknown => (depth === 0 ? "x" : [nested(depth - 1)]);
const nodes = Object.fromEntries(Array.from({ length: 10_001 }, () => [newId(), "1"]));

/** An update of the counter, the set or the review with these operations. */
const counter = (ops: unknown): Change =>
  change("stock", "update", { on_hand: "1", $changed: "on_hand", $ops: typeof ops === "string" ? ops : JSON.stringify(ops) });
const labels = (op: unknown): Change =>
  change("stock", "update", { labels: "[]", $changed: "labels", $ops: JSON.stringify({ $at: 1, labels: op }) });
const days = (op: unknown): Change =>
  change("stock", "update", { days: "1", $changed: "days", $ops: JSON.stringify({ $at: 1, days: op }) });
const seen = (document: unknown): Change =>
  change("pen", "update", {
    name: "x",
    $changed: "name",
    $seen: typeof document === "string" ? document : JSON.stringify(document),
  });

const hostile: Readonly<Record<string, Change>> = {
  "no operation on a counter": change("stock", "update", { on_hand: "1", $changed: "on_hand" }),
  "no operations of a row": change("stock", "update", { on_hand: "1", $changed: "on_hand", $ops: null }),
  "an operation on another column only": counter({ $at: 1, moves: "1" }),
  "operations that are no JSON": counter("{"),
  "operations that are a list": counter("[]"),
  "operations that are null": counter("null"),
  "operations of a mebibyte": counter({ $at: 1, on_hand: "1", name: "x".repeat(1_048_576) }),
  "operations nested too deep": counter({ $at: 1, on_hand: nested(20) }),
  "no statement's number": counter({ on_hand: "1" }),
  "statement 0": counter({ $at: 0, on_hand: "1" }),
  "statement 1.5": counter({ $at: 1.5, on_hand: "1" }),
  "a statement that is text": counter({ $at: "1", on_hand: "1" }),
  "statement 2^31": counter({ $at: 2 ** 31, on_hand: "1" }),
  "an operation on a column without memory": counter({ $at: 1, on_hand: "1", name: "1" }),
  "an operation on a column that does not exist": counter({ $at: 1, on_hand: "1", constructor: "1" }),
  "a difference that is a number": counter({ $at: 1, on_hand: 1 }),
  "a difference with an exponent": counter({ $at: 1, on_hand: "1e9" }),
  "a difference that is no number": counter({ $at: 1, on_hand: "NaN" }),
  "a difference of 2,000 digits": counter({ $at: 1, on_hand: "1".repeat(2_000) }),
  "a set of numbers": labels({ add: [1] }),
  "a text twice": labels({ add: ["a"], remove: ["a"] }),
  "1,001 texts": labels({ add: Array.from({ length: 1_001 }, (_, index) => String(index)) }),
  "a text of 2,000 characters": labels({ add: ["x".repeat(2_000)] }),
  "another verb": labels({ clear: [] }),
  "a set that is replaced": labels(["a"]),
  "a version that is no integer": days("many"),
  "a version that is a number": days(1),
  "what was seen is of no node": counter({ $at: 1, on_hand: "1", $seen: { me: "1" } }),
  "what was seen is a number": counter({ $at: 1, on_hand: "1", $seen: { [NODE]: 1 } }),
  "what was seen is negative": counter({ $at: 1, on_hand: "1", $seen: { [NODE]: "-1" } }),
  "what was seen is a list": counter({ $at: 1, on_hand: "1", $seen: [] }),
  "what was seen names 10,001 nodes": counter({ $at: 1, on_hand: "1", $seen: nodes }),
  "a delete with operations where deletes need none": change("pen", "delete", { $ops: JSON.stringify({ $at: 1 }) }),
  "a delete with an operation": change("herd", "delete", { $ops: JSON.stringify({ $at: 1, name: "1" }) }),
  "a seen document that is no JSON": seen("{"),
  "a seen document that is a list": seen([["1", NODE]]),
  "a seen stamp beyond all stamps": seen({ name: ["9".repeat(19), NODE] }),
  "a seen stamp that is a number": seen({ name: [1, NODE] }),
  "a seen node that is none": seen({ name: ["1", "x"] }),
  "a seen stamp of no node": seen({ name: ["1", ""] }),
  "a seen document of 100,001 characters": seen({ ["x".repeat(100_001)]: ["1", NODE] }),
  "stamps, which only the authority sends": change("pen", "insert", { name: "x", heads: "0", $stamps: "{}" }),
  "a row that takes a commit back": change("pen", "insert", { name: "x", $refused: `1 ${NODE}` }),
  "a row that replaces": change("pen", "insert", { name: "x", $refused: "*" }),
};

it.each(Object.entries(hostile))("a child's %s: refused at the border, nothing is written", async (_name, forged) => {
  const before = await cloud.sql("select count(*) as count from hayloft.row_state");
  expect(await forger.codeOf([forged])).toBe("refused-schema");
  expect(await cloud.sql("select count(*) as count from hayloft.row_state")).toEqual(before);
});

it("F-G8 operations under another author's name are refused, and count under the sender's where they are sound", async () => {
  const sound = change("stock", "insert", { on_hand: "5", $ops: JSON.stringify({ $at: 1, on_hand: "5" }) });
  expect(await new Forger(cloud).codeOf([sound], { node: newId() })).toBe("refused-writer");
  expect(await forger.codeOf([sound])).toBe(null);
  const [state] = await cloud.sql(
    "select stamps #>> '{$memory,on_hand,ops,0,1}' as node from hayloft.row_state where table_name = 'stock'",
  );
  expect(state).toEqual({ node: forger.node });
});

it("a parent's row with stamps that nobody can read is set aside, and what comes with it is applied", async () => {
  const edge = await TestReplica.open(freshPglite, "edge", { catalog: sampleMemory });
  const broken = ["{", '{"$deleted": ["x", "y"]}', '{"$memory": {"heads": {"ops": [["x"]]}}}', '{"$gone": {"a": "b"}}'];
  const commits = broken.map((stamps, index) => ({
    tenant: "t1",
    origin: newId(),
    seq: 1,
    stamp: BigInt(index + 1),
    node: cloud.nodeId,
    tier: "cloud",
    author: null,
    catalogVersion: 1,
    previousHash: new Uint8Array(32),
    hash: new Uint8Array(32),
    changes: [change("herd", "insert", { id: `r${String(index)}`, name: "x", heads: "0", $stamps: stamps })],
  }));
  const [first] = commits;
  if (first === undefined) throw new Error("no commit");
  const sound = {
    ...first,
    origin: newId(),
    changes: [change("pen", "insert", { id: "p1", name: "x", heads: "0", $stamps: "{}" })],
  };
  const slice = { tenant: "t1", incarnation: newId(), after: 0, upTo: 9, head: 9, commits: [...commits, sound] };
  await edge.storage.apply({ peer: cloud.nodeId, from: "parent", grant: null, slice });
  expect(await edge.sql("select id from pen")).toEqual([{ id: "p1" }]);
  expect(await edge.sql("select code, count(*) as count from hayloft.quarantine group by 1")).toEqual([
    { code: "refused-schema", count: broken.length },
  ]);
  await edge.close();
});
