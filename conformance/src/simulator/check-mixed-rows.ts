import { type Change, type Commit, isPresent, type Stamp } from "@hayloft/engine";
import { naiveRow, type NaiveRow, type NaiveWrite, travelledWrite } from "@hayloft/engine/testing";
import type { Written } from "./checkers.ts";
import { finalCommit } from "./final-commit.ts";
import { isMixed, type MixedTable } from "./sim-catalog.ts";
import type { SimNode } from "./sim-node.ts";
import { planOf, rowName } from "./sim-store.ts";
import { Violation } from "./violation.ts";

/** What was done to one row by commits that nobody refused. */
interface RowHistory {
  readonly table: MixedTable;
  readonly tenant: string;
  readonly key: string;
  readonly writes: NaiveWrite[];
}

/**
 * At every node each row is what the definitions of its rules make of all that was accepted (`naiveRow`), and the counter is the sum of all
 * differences, also where the row is deleted: none is lost and none counts twice.
 */
export function checkMixedRows(
  nodes: readonly SimNode[],
  top: SimNode,
  written: readonly Written[],
  mayBeGone: readonly Written[],
): void {
  for (const history of histories(top, written, mayBeGone).values()) {
    const expected = naiveRow(planOf(history.table).table, history.writes);
    const sum = history.writes.reduce((total, { ops }) => total + Number(ops.get("hits") ?? 0), 0);
    for (const node of nodes) {
      const { tenant } = node.spec;
      if (tenant !== null && tenant !== history.tenant) continue;
      checkRow(node, history, expected, sum);
    }
  }
}

function checkRow(node: SimNode, { table, tenant, key }: RowHistory, expected: NaiveRow, sum: number): void {
  const name = rowName(tenant, table, key);
  const state = node.store.rows.get(name);
  const end =
    state === undefined || !isPresent(state, planOf(table))
      ? null
      : Object.fromEntries([...state.cells].map(([column, { value }]) => [column, value]));
  const hits = Number(state?.cells.get("hits")?.value ?? 0);
  if (hits !== sum)
    throw new Violation("O11", `${name} counts ${String(hits)} at ${node.spec.name}, and all differences are ${String(sum)}`);
  const differing = [...new Set([...Object.keys(end ?? {}), ...Object.keys(expected ?? {})])].filter(
    (column) => end?.[column] !== expected?.[column],
  );
  if ((end === null) === (expected === null) && differing.length === 0) return;
  const shown = (row: NaiveRow): string =>
    row === null ? "gone" : JSON.stringify(Object.fromEntries(differing.map((column) => [column, row[column]])));
  throw new Violation("O12", `${name} is ${shown(end)} at ${node.spec.name}, and by its rules ${shown(expected)}`);
}

function histories(top: SimNode, written: readonly Written[], mayBeGone: readonly Written[]): ReadonlyMap<string, RowHistory> {
  const found = new Map<string, RowHistory>();
  for (const item of written) {
    if (item.refused) continue;
    const commit = finalCommit(item);
    for (const change of commit.changes) add(found, commit, change);
  }
  for (const item of mayBeGone) {
    if (item.refused) continue;
    const commit = finalCommit(item);
    for (const change of commit.changes) if (isTracedAt(top, commit, change)) add(found, commit, change);
  }
  return found;
}

/** True when the node's row shows that the commit came. One that left no trace there makes no difference to the row either. */
function isTracedAt(node: SimNode, commit: Commit, change: Change): boolean {
  if (!isMixed(change.table)) return false;
  const state = node.store.rows.get(rowName(commit.tenant, change.table, keyOf(change)));
  if (state === undefined) return false;
  const isIt = (mark: Stamp | null | undefined): boolean =>
    mark !== null && mark !== undefined && mark.stamp === commit.stamp && mark.node === commit.node;
  const wasSeenGone = change.op === "delete" && (state.gone?.get(commit.node) ?? 0n) >= commit.stamp;
  const cells = [...state.cells.values()].some((cell) => isIt(cell) || cell.memory?.entries.some(isIt) === true);
  return cells || isIt(state.deleted) || isIt(state.inserted) || wasSeenGone;
}

const keyOf = (change: Change): string => change.values[change.columns.indexOf("id")]?.[0] ?? "";

function add(found: Map<string, RowHistory>, commit: Commit, change: Change): void {
  const { table } = change;
  if (!isMixed(table)) return;
  const key = keyOf(change);
  const name = rowName(commit.tenant, table, key);
  const history = found.get(name) ?? { table, tenant: commit.tenant, key, writes: [] };
  found.set(name, history);
  history.writes.push(travelledWrite(planOf(table), change, commit));
}
