import type { CellText, Change } from "../commit/commit.ts";
import { joinChanges } from "../merge/join-changes.ts";
import { foldRow } from "../merge/join-rows.ts";
import { stateOfChange } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { EMPTY_ROW, isPresent, readRowState, type RowState, writeRowState } from "../merge/row-state.ts";
import { captureRow, opsOf } from "./capture-row.ts";
import { naiveRow, type NaiveRow, type NaiveWrite } from "./naive-row.ts";

const KEY = { tenant_id: "t1", id: "r1" };
const TIERS = ["cloud", "edge", "tablet"];
const nodeOf = (index: number): string => `0000000${String(index)}-0000-7000-8000-000000000000`;

/** A statement with its change, as it travels. */
interface Sent {
  readonly write: NaiveWrite;
  readonly change: Change;
}

export type RowCommit = readonly Sent[];

function foldCommit(plan: RowPlan, state: RowState, commit: RowCommit): RowState {
  const incoming = commit.reduce<RowState | null>((all, { write, change }) => {
    const written = { stamp: write.stamp, node: write.node, tier: write.tier, author: null };
    const next = stateOfChange(change, 0, written, plan);
    return all === null ? next : joinChanges(plan, all, { op: change.op, incoming: next }, written);
  }, null);
  return incoming === null ? state : foldRow(plan, ["r1"], state, incoming).state;
}

/** `foldCommit`, and then through what the database keeps of the row. */
export function foldStored(plan: RowPlan, state: RowState, commit: RowCommit): RowState {
  const next = foldCommit(plan, state, commit);
  const values = isPresent(next, plan) ? new Map([...next.cells].map(([column, { value }]) => [column, value])) : null;
  return readRowState(values, writeRowState(next, plan), plan);
}

const shown = (plan: RowPlan, state: RowState): NaiveRow =>
  isPresent(state, plan) ? Object.fromEntries([...state.cells].map(([column, { value }]) => [column, value])) : null;

/** What a statement wants of one column, given the value that it finds; undefined: leave it alone. */
const wishes: Readonly<Record<string, (pick: number, before: CellText, by: string) => CellText | undefined>> = {
  name: (pick, _before, by) => (pick % 4 === 0 ? null : `n${String(pick)} ${by}`),
  top: (pick, before) => String(Math.max(Number(before ?? "-5"), pick % 5)),
  low: (pick, before) => String(Math.min(Number(before ?? "5"), pick % 5)),
  flag: (pick, before) => String(before === "true" || pick % 2 === 0),
  state: (pick, before) => {
    const onward: Readonly<Record<string, readonly string[]>> = {
      open: ["open", "held", "paused", "closed"],
      held: ["held", "closed"],
      paused: ["paused", "closed"],
    };
    const next = onward[before ?? "open"] ?? ["closed"];
    return next[pick % next.length];
  },
  first: (pick, before, by) => before ?? (pick % 3 === 0 ? null : `f${String(pick)} ${by}`),
  hits: (pick, before) => String(Number(before ?? "0") + (pick % 7) - 3),
  labels: (pick, before) => {
    const had = before === null ? [] : (JSON.parse(before) as readonly string[]);
    const item = ["a", "b", "c"][pick % 3] ?? "a";
    const has = had.includes(item) ? had.filter((other) => other !== item) : [...had, item].sort();
    return JSON.stringify(has).replaceAll('","', '", "');
  },
  dose: (pick) => (pick % 4 === 0 ? null : String(pick % 4)),
  pick: (pick) => (pick % 4 === 0 ? null : `p${String(pick % 4)}`),
};
export const historyColumns = Object.keys(wishes);

export interface Statement {
  readonly verb: "write" | "delete";
  /** Which columns an update sets, as bits. */
  readonly columns: number;
  readonly pick: number;
}

/** A step of a replica: it commits some statements, or takes in all that another one has. */
export interface Step {
  readonly replica: number;
  readonly from: number | null;
  readonly statements: readonly Statement[];
}

interface Replica {
  state: RowState;
  readonly commits: RowCommit[];
}

/** What a statement sets, given the row that it finds. */
export function statementCells(
  state: RowState,
  isInsert: boolean,
  { columns, pick }: Statement,
  by: string,
): Map<string, CellText> {
  const cells = new Map<string, CellText>();
  for (const [place, column] of historyColumns.entries()) {
    const before = state.cells.get(column)?.value ?? null;
    const value = isInsert || ((columns >> place) & 1) === 1 ? wishes[column]?.(pick + place, before, by) : undefined;
    if (value !== undefined && (isInsert || value !== before)) cells.set(column, value);
  }
  return cells;
}

/** Runs the steps, every replica on its own state, and returns every commit in the order of its stamp. */
export function runHistory(plan: RowPlan, steps: readonly Step[]): readonly RowCommit[] {
  const replicas: Replica[] = [0, 1, 2].map(() => ({ state: EMPTY_ROW, commits: [] }));
  const all: RowCommit[] = [];
  for (const { replica, from, statements } of steps) {
    const mine = replicas[replica];
    const other = from === null ? undefined : replicas[from];
    if (mine === undefined) continue;
    if (other !== undefined) {
      for (const commit of other.commits.filter((item) => !mine.commits.includes(item))) {
        mine.state = foldCommit(plan, mine.state, commit);
        mine.commits.push(commit);
      }
      continue;
    }
    const commit = commitOf(
      plan,
      mine,
      { stamp: BigInt(all.length + 1), node: nodeOf(replica), tier: TIERS[replica] ?? "" },
      statements,
    );
    if (commit.length === 0) continue;
    mine.commits.push(commit);
    all.push(commit);
  }
  return all;
}

function commitOf(
  plan: RowPlan,
  replica: Replica,
  by: Pick<NaiveWrite, "stamp" | "node" | "tier">,
  statements: readonly Statement[],
): RowCommit {
  const commit: Sent[] = [];
  const before = replica.state;
  for (const statement of statements) {
    const isHere = isPresent(replica.state, plan);
    if (statement.verb === "delete" && !isHere) continue;
    const kind = statement.verb === "delete" ? "delete" : isHere ? "update" : "insert";
    const cells =
      kind === "delete"
        ? new Map<string, CellText>()
        : statementCells(replica.state, kind === "insert", statement, by.node.slice(7, 8));
    if (kind === "update" && cells.size === 0) continue;
    const at = commit.length + 1;
    const known = new Set([...replica.commits.flat(), ...commit].map(({ write }) => write));
    const knew = (other: NaiveWrite): boolean => known.has(other);
    const ops = opsOf(plan, replica.state, cells);
    const plain = new Map([...cells].filter(([column]) => !ops.has(column)));
    const write: NaiveWrite = { kind, ...by, at, cells: plain, ops, knew };
    const change = captureRow(plan, replica.state, { kind, key: KEY, cells, node: by.node, at });
    commit.push({ write, change });
    replica.state = foldCommit(plan, before, commit);
  }
  return commit;
}

/** Null when production, given the commits in this order, ends as the definitions say of them; else both ends. */
export function disagreement(plan: RowPlan, commits: readonly RowCommit[], arrival: readonly RowCommit[]): unknown {
  const expected = naiveRow(
    plan.table,
    commits.flat().map(({ write }) => write),
  );
  return differs(
    plan,
    expected,
    arrival.reduce((state, commit) => foldStored(plan, state, commit), EMPTY_ROW),
  );
}

/** Null when the state shows the row, else what it shows and what it should. */
export function differs(plan: RowPlan, expected: NaiveRow, state: RowState): unknown {
  const end = shown(plan, state);
  const isEqual = JSON.stringify(sorted(end)) === JSON.stringify(sorted(expected));
  return isEqual ? null : { deletes: plan.table.deletes, end, expected };
}

const sorted = (row: NaiveRow): unknown => (row === null ? null : Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
