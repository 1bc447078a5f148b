import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleFarm } from "../apply/sample-farm.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { foldRow, joinRowStates } from "./join-rows.ts";
import type { Stamp } from "./register.ts";
import { stateOfChange } from "./row-change.ts";
import { rowPlan, type RowPlan } from "./row-plan.ts";
import { EMPTY_ROW, isPresent, readRowState, type RowState, writeRowState } from "./row-state.ts";

const planOf = (name: string): RowPlan => {
  const table = sampleFarm.byName.get(name);
  if (table === undefined) throw new Error(`no table ${name}`);
  return rowPlan(table);
};

const note = planOf("note");
const status = planOf("device_status");

/** One write of one node: an operation on row `r1` with the stamp under which it was made. */
interface Op {
  readonly change: Change;
  readonly written: Stamp;
}

function change(
  plan: RowPlan,
  op: "insert" | "update" | "delete",
  cells: Readonly<Record<string, CellText>>,
  changed?: string,
): Change {
  const key = { tenant_id: "t1", id: "r1" };
  const values = { ...key, ...cells, ...(changed === undefined ? {} : { $changed: changed }) };
  return {
    table: plan.table.name,
    op,
    columns: Object.keys(values),
    values: Object.values(values).map((value) => [value]),
    rowCount: 1,
  };
}

const fold = (plan: RowPlan, ops: readonly Op[]): RowState =>
  ops.reduce<RowState>(
    (state, op) => foldRow(plan, ["r1"], state, stateOfChange(op.change, 0, op.written, plan)).state,
    EMPTY_ROW,
  );

/** What a replica shows: the row's values, or null. Stamps are compared too, so that later merges agree as well. */
const shown = (plan: RowPlan, state: RowState): unknown => ({
  present: isPresent(state),
  document: writeRowState(state, plan),
  cells: [...state.cells],
});

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length <= 1) yield items;
  for (const [index, item] of items.entries()) {
    for (const rest of permutations([...items.slice(0, index), ...items.slice(index + 1)])) yield [item, ...rest];
  }
}

const image = {
  barn_id: "b1",
  title: "t",
  body: null,
  price: "1.00",
  first_seen: null,
  seen_at: null,
  least: "5",
  is_done: "false",
  status: "open",
  approved_by: null,
};

/** The kinds of write that meet in the small scope; each gets the next stamp of its node. */
const kinds: readonly ((node: string) => Change)[] = [
  (node) => change(note, "insert", { ...image, title: `by ${node}` }),
  (node) => change(note, "update", { ...image, title: `upd ${node}`, status: node === "n1" ? "held" : "paused" }, "title,status"),
  (node) =>
    change(
      note,
      "update",
      { ...image, first_seen: node, seen_at: "2026-01-0" + node.slice(1) + " 00:00:00+00", least: node.slice(1) },
      "first_seen,seen_at,least",
    ),
  () => change(note, "delete", { barn_id: "b1" }),
];

describe("folding changes into rows", () => {
  it("O1 all interleavings of up to 4 operations of 3 nodes, with duplicates, end in one state", () => {
    const nodes = ["n1", "n2", "n3"];
    let tried = 0;
    const choices = nodes.flatMap((node) => kinds.map((kind) => ({ node, kind })));
    for (let size = 2; size <= 4; size += 1) {
      // A part of the combinations of four keeps the test short; sizes two and three are complete.
      for (let pick = 0; pick < choices.length ** size; pick += size === 4 ? 31 : 1) {
        const ops: Op[] = Array.from({ length: size }, (_, index) => {
          const choice = choices[Math.floor(pick / choices.length ** index) % choices.length] ?? choices[0];
          if (choice === undefined) throw new Error("no choice");
          return {
            change: choice.kind(choice.node),
            written: { stamp: BigInt(1 + (index >> 1)), node: `${choice.node}-${String(index)}` },
          };
        });
        const expected = JSON.stringify(shown(note, fold(note, ops)), bigints);
        for (const order of permutations(ops)) {
          for (const folded of [order, [...order, ...order]]) {
            const end = JSON.stringify(shown(note, fold(note, folded)), bigints);
            if (end !== expected) expect({ order: folded, end }).toEqual({ order: ops, end: expected });
          }
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(10_000);
  });

  it("states written to the database and read back fold the same", () => {
    const ops = fc.array(
      fc.record({
        kind: fc.constantFrom(...kinds),
        node: fc.constantFrom("n1", "n2", "n3"),
        stamp: fc.bigInt({ min: 1n, max: 9n }),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(ops, (list) => {
        let stored = EMPTY_ROW;
        let kept = EMPTY_ROW;
        for (const [index, { kind, node, stamp }] of list.entries()) {
          const incoming = stateOfChange(kind(node), 0, { stamp, node: `${node}-${String(index)}` }, note);
          kept = joinRowStates(note, kept, incoming);
          const next = joinRowStates(note, stored, incoming);
          const values = isPresent(next) ? new Map([...next.cells].map(([column, { value }]) => [column, value])) : null;
          stored = readRowState(values, writeRowState(next, note), note);
          expect(shown(note, stored)).toEqual(shown(note, kept));
        }
      }),
    );
  });

  it("monotoneRow: the greatest value wins whole, whatever the order", () => {
    const seen = (at: string, state: string, stamp: bigint): Op => ({
      change: change(status, "update", { barn_id: "b1", status: state, last_seen_at: at }, "status,last_seen_at"),
      written: { stamp, node: "n1" },
    });
    const ops = [
      seen("2026-01-02 00:00:00+00", "on", 1n),
      seen("2026-01-01 00:00:00+00", "off", 9n),
      seen("2026-01-02 00:00:00+00", "idle", 3n),
    ];
    for (const order of permutations(ops)) {
      const state = fold(status, order);
      expect(state.cells.get("status")?.value).toBe("idle");
      expect(state.cells.get("last_seen_at")?.value).toBe("2026-01-02 00:00:00+00");
    }
  });

  it("a later update brings a deleted row back, an earlier one does not, and monotone columns keep what they reached", () => {
    const insert: Op = { change: change(note, "insert", { ...image, status: "held" }), written: { stamp: 1n, node: "n1" } };
    const remove: Op = { change: change(note, "delete", {}), written: { stamp: 5n, node: "n1" } };
    const early: Op = {
      change: change(note, "update", { ...image, title: "early" }, "title"),
      written: { stamp: 4n, node: "n2" },
    };
    const late: Op = { change: change(note, "update", { ...image, title: "late" }, "title"), written: { stamp: 6n, node: "n2" } };
    for (const order of permutations([insert, remove, early])) expect(isPresent(fold(note, order))).toBe(false);
    for (const order of permutations([insert, remove, late])) {
      const state = fold(note, order);
      expect(isPresent(state)).toBe(true);
      expect([state.cells.get("title")?.value, state.cells.get("status")?.value]).toEqual(["late", "held"]);
    }
  });

  it("names every loser with both values, both stamps and the rule", () => {
    const existing = stateOfChange(change(note, "insert", { ...image, title: "mine" }), 0, { stamp: 9n, node: "n1" }, note);
    const incoming = stateOfChange(
      change(note, "update", { ...image, title: "theirs", price: "2.00" }, "title,price"),
      0,
      { stamp: 3n, node: "n2" },
      note,
    );
    const { losers } = foldRow(note, ["r1"], existing, incoming);
    expect(losers.map(({ column, lost, rule }) => [column, lost, rule])).toEqual([
      ["title", "incoming", "lastWriterWins"],
      ["price", "incoming", "lastWriterWins"],
    ]);
    expect(losers[0]).toMatchObject({
      table: "note",
      key: ["r1"],
      winner: { value: "mine", stamp: 9n, node: "n1" },
      loser: { value: "theirs", stamp: 3n, node: "n2" },
    });
    const overwritten = foldRow(note, ["r1"], incoming, existing).losers;
    expect(
      overwritten.some(({ column, lost, loser }) => column === "title" && lost === "existing" && loser.value === "theirs"),
    ).toBe(true);
  });

  it("names what lost to a value of the authority's that came out of two and that nobody wrote", () => {
    const state = (value: string, stamp: bigint, node: string): RowState =>
      stateOfChange(change(note, "update", { ...image, status: value }, "status"), 0, { stamp, node }, note);
    const mine = state("held", 3n, "n1");
    const truth = joinRowStates(note, mine, state("paused", 2n, "n2"));
    expect(truth.cells.get("status")).toMatchObject({ value: "closed", stamp: 0n });
    const { losers } = foldRow(note, ["r1"], mine, truth, { seen: null, isTruth: true });
    expect(losers.map(({ column, lost, loser }) => [column, lost, loser.value])).toEqual([["status", "existing", "held"]]);
  });
});

const bigints = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
