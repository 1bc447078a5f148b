import { env, stdout } from "node:process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { forever, table } from "../catalog/table.ts";
import { everyRule, everyRuleColumns } from "../testing/every-rule.ts";
import { naiveRow } from "../testing/naive-row.ts";
import {
  differs,
  disagreement,
  foldStored,
  historyColumns,
  type RowCommit,
  runHistory,
  type Statement,
  type Step,
} from "../testing/row-history.ts";
import { rowPlan, type RowPlan } from "./row-plan.ts";
import { EMPTY_ROW, type RowState } from "./row-state.ts";

const plans = (["later", "deleteWins", "updateWins"] as const).map((deletes) =>
  rowPlan(
    table("row", {
      about: "A table of the tests.",
      group: "sample",
      category: "operational",
      columns: everyRuleColumns,
      scope: { tenant: "tenant_id" },
      writers: ["cloud", "edge", "tablet"],
      flow: "both",
      rule: everyRule,
      deletes,
      retain: { cloud: forever, edge: forever, tablet: forever },
    }),
  ),
);

const statement: fc.Arbitrary<Statement> = fc.record({
  verb: fc.constantFrom("write", "write", "write", "delete"),
  columns: fc.nat({ max: 2 ** historyColumns.length - 1 }),
  pick: fc.nat({ max: 40 }),
});
const step: fc.Arbitrary<Step> = fc.record({
  replica: fc.nat({ max: 2 }),
  from: fc.option(fc.nat({ max: 2 }), { nil: null, freq: 2 }),
  statements: fc.array(statement, { minLength: 1, maxLength: 3 }),
});
const runs = Number(env["HAYLOFT_ROW_RUNS"] ?? "400");

it.each(plans.map((plan) => [plan.table.deletes, plan] as const))(
  "O1 rows of every rule end as the definitions say, in whatever order and however often their commits arrive (%s)",
  (_deletes, plan) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 14 }), fc.infiniteStream(fc.nat({ max: 1_000 })), (steps, picks) => {
        const commits = runHistory(plan, steps);
        const shuffled = commits.map((commit) => [picks.next().value, commit] as const).toSorted(([a], [b]) => a - b);
        const inAnyOrder = shuffled.map(([, commit]) => commit);
        for (const arrival of [commits, inAnyOrder, [...inAnyOrder, ...commits]])
          expect(disagreement(plan, commits, arrival)).toBe(null);
      }),
      { numRuns: runs },
    );
  },
  1_800_000,
);

it.each(plans.map((plan) => [plan.table.deletes, plan] as const))(
  "O1 an update of every column that arrives before its row's insert, and after a delete, ends as the definitions say (%s)",
  (_deletes, plan) => {
    const write = (columns: number, pick: number): Statement => ({ verb: "write", columns, pick });
    const gone: Statement = { verb: "delete", columns: 0, pick: 0 };
    const commits = runHistory(plan, [
      { replica: 1, from: null, statements: [write(0, 0)] },
      { replica: 0, from: null, statements: [write(0, 0), gone] },
      { replica: 1, from: null, statements: [write(0b11_1111_1111, 29)] },
    ]);
    expect(commits.length).toBe(3);
    for (const arrival of everyOrder(commits)) expect(disagreement(plan, commits, arrival)).toBe(null);
  },
);

const everyOrder = (commits: readonly RowCommit[]): readonly (readonly RowCommit[])[] =>
  commits.length === 0
    ? [[]]
    : commits.flatMap((first) => everyOrder(commits.filter((other) => other !== first)).map((rest) => [first, ...rest]));

/** All statements of the small scope; an insert where the row is not there. */
const scope: readonly (readonly Statement[])[] = [
  [{ verb: "write", columns: 0b11_1010_1010, pick: 5 }],
  [{ verb: "write", columns: 0b01_1100_0101, pick: 2 }],
  [{ verb: "delete", columns: 0, pick: 0 }],
  [
    { verb: "delete", columns: 0, pick: 0 },
    { verb: "write", columns: 0b11_1111_1111, pick: 3 },
  ],
];

/** The states to which the commits lead in every order of arrival. */
function* everyEnd(plan: RowPlan, commits: readonly RowCommit[], state: RowState = EMPTY_ROW): Generator<RowState> {
  if (commits.length === 0) yield state;
  for (const commit of commits)
    yield* everyEnd(
      plan,
      commits.filter((other) => other !== commit),
      foldStored(plan, state, commit),
    );
}

/** Each how many of the histories is looked at; all of them with 1. */
const every = Number(env["HAYLOFT_ROW_SCOPE"] ?? "23");

it("O1 in the small scope every interleaving of three replicas, in each order of arrival, ends as the definitions say", () => {
  const pull = (replica: number, from: number): Step => ({ replica, from, statements: [] });
  const insert: Statement = { verb: "write", columns: 0b11_1111_1111, pick: 1 };
  const beginning = [{ replica: 0, from: null, statements: [insert] }, pull(1, 0), pull(2, 0)];
  const moves: readonly Step[] = [0, 1, 2].flatMap((replica) => [
    ...scope.map((statements): Step => ({ replica, from: null, statements })),
    ...[0, 1, 2].filter((from) => from !== replica).map((from) => pull(replica, from)),
  ]);
  let ends = 0;
  let histories = 0;
  for (const plan of plans)
    for (const first of moves.filter(({ from }) => from === null))
      for (const second of moves)
        for (const third of moves) {
          histories += 1;
          if (histories % every !== 0) continue;
          const commits = runHistory(plan, [...beginning, first, second, third]);
          const expected = naiveRow(
            plan.table,
            commits.flat().map(({ write }) => write),
          );
          for (const end of everyEnd(plan, commits)) {
            const wrong = differs(plan, expected, end);
            if (wrong !== null) expect({ steps: [first, second, third], wrong }).toEqual({});
            ends += 1;
          }
        }
  stdout.write(
    `whole rows: ${String(ends)} ends of ${String(Math.floor(histories / every))} histories of the small scope, ${String(3 * runs)} random histories\n`,
  );
  expect(ends).toBeGreaterThan(1_000);
}, 1_800_000);
