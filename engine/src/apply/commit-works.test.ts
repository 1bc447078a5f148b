import { expect, it } from "vitest";
import type { CellText, Change, Commit } from "../commit/commit.ts";
import { LossBook } from "../journal/loss-book.ts";
import { stateOfChange } from "../merge/row-change.ts";
import { rowPlan } from "../merge/row-plan.ts";
import { EMPTY_ROW, isPresent, type RowState, writeRowState } from "../merge/row-state.ts";
import { CommitWorks } from "./commit-works.ts";
import { sampleFarm } from "./sample-farm.ts";

const table = sampleFarm.byName.get("note");
if (table === undefined) throw new Error("the sample has no notes");
const plan = rowPlan(table);
const KEY = { tenant_id: "t1", id: "r1", barn_id: "b1" };
const hash = new Uint8Array(32);

const change = (op: Change["op"], cells: Readonly<Record<string, CellText>>): Change => {
  const changed = op === "update" ? { $changed: Object.keys(cells).join(",") } : {};
  const values = { ...KEY, ...cells, ...changed };
  return { table: "note", op, columns: Object.keys(values), values: Object.values(values).map((value) => [value]), rowCount: 1 };
};

const commitOf = (origin: string, stamp: bigint, changes: readonly Change[]): Commit => ({
  tenant: "t1",
  origin,
  seq: 1,
  stamp,
  node: "00000001-0000-7000-8000-000000000000",
  tier: "tablet",
  author: null,
  catalogVersion: 1,
  previousHash: hash,
  hash,
  changes,
});

/** The row to which the commits lead in this order, as one slice or each in one of its own. */
function endOf(commits: readonly Commit[], isOneSlice: boolean): string {
  let works = new CommitWorks(plan, new LossBook());
  let state: RowState = EMPTY_ROW;
  for (const commit of commits) {
    for (const item of commit.changes)
      state = works.take("r1", commit, {
        op: item.op,
        existing: state,
        incoming: stateOfChange(item, 0, commit, plan),
        seen: null,
      });
    if (!isOneSlice) works = new CommitWorks(plan, new LossBook());
  }
  const cells = [...state.cells].map(([column, { value }]) => [column, value]);
  return JSON.stringify([isPresent(state, plan), writeRowState(state, plan), cells]);
}

const begun = commitOf("first", 1n, [change("insert", { title: "t", body: null })]);
const [title, other] = [
  (value: string) => change("update", { title: value }),
  (value: string) => change("update", { body: value }),
];

it.each([
  ["one value each", [title("v593")], [title("v653")]],
  ["a value that is written twice", [title("v9"), title("v1")], [title("v5")]],
  [
    "a row that is deleted and inserted again",
    [change("delete", {}), change("insert", { title: "again" })],
    [title("b"), other("x")],
  ],
  ["a row that is deleted", [change("delete", {})], [title("b")]],
])("F-C6 commits of two copies under one stamp end in one row in either order: %s", (_name, ours, theirs) => {
  const [one, two] = [commitOf("one", 2n, ours), commitOf("two", 2n, theirs)];
  const expected = endOf([begun, one, two], false);
  for (const order of [
    [begun, one, two],
    [begun, two, one],
  ])
    for (const isOneSlice of [false, true])
      for (const arrival of [order, [...order, one], [...order, two]]) expect(endOf(arrival, isOneSlice)).toBe(expected);
});
