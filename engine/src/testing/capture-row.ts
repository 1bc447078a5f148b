import type { CellText, Change } from "../commit/commit.ts";
import { joinSeen, type Json, NOTHING_SEEN, type Seen, seenJson, seenOf } from "../merge/memory/memory.ts";
import { OPS_COLUMN } from "../merge/memory/row-ops.ts";
import { CHANGED_COLUMN, SEEN_COLUMN } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Stamp } from "../merge/register.ts";
import type { RowState } from "../merge/row-state.ts";

/** A statement on one row: the values that its columns get. */
export interface RowStatement {
  readonly kind: "insert" | "update" | "delete";
  /** Primary key, the tenant included. */
  readonly key: Readonly<Record<string, string>>;
  /** For an insert every column; a delete has none. */
  readonly cells: ReadonlyMap<string, CellText>;
  readonly node: string;
  /** Its number in its transaction, from 1. */
  readonly at: number;
}

/** What a statement did to the columns that merge operations. */
export function opsOf(plan: RowPlan, before: RowState, cells: RowStatement["cells"]): ReadonlyMap<string, Json> {
  const ops = new Map<string, Json>();
  for (const [column, value] of cells)
    if (plan.memory.has(column)) ops.set(column, opOf(plan.ruleOf(column).kind, before.cells.get(column)?.value ?? null, value));
  return ops;
}

function opOf(kind: string, before: CellText, value: CellText): Json {
  if (kind === "counter") return String(Number(value ?? "0") - Number(before ?? "0"));
  if (kind !== "setUnion") return value;
  const [had, has] = [elementsOf(before), elementsOf(value)];
  return { add: has.filter((item) => !had.includes(item)), remove: had.filter((item) => !has.includes(item)) };
}

const elementsOf = (text: CellText): readonly string[] => (text === null ? [] : (JSON.parse(text) as readonly string[]));

/** The change that the triggers capture of a statement on a row that was in this state: the twin of their SQL, for tests without a database. */
export function captureRow(plan: RowPlan, before: RowState, { kind, key, cells, node, at }: RowStatement): Change {
  const row: Record<string, CellText> = { ...key };
  if (kind !== "delete")
    for (const column of plan.cellColumns)
      row[column] = cells.get(column) ?? (cells.has(column) ? null : (before.cells.get(column)?.value ?? null));
  if (kind === "update") row[CHANGED_COLUMN] = [...cells.keys()].join(",");
  const seen = seenStamps(before, kind, cells);
  if (Object.keys(seen).length > 0) row[SEEN_COLUMN] = JSON.stringify(seen);
  const ops = captureOps(plan, before, { kind, cells, node, at });
  if (ops !== null) row[OPS_COLUMN] = JSON.stringify(ops);
  return {
    table: plan.table.name,
    op: kind,
    columns: Object.keys(row),
    values: Object.values(row).map((value) => [value]),
    rowCount: 1,
  };
}

function seenStamps(
  { cells, deleted }: RowState,
  kind: RowStatement["kind"],
  changed: RowStatement["cells"],
): Record<string, Json> {
  if (kind === "insert") return deleted === null ? {} : { $deleted: [String(deleted.stamp), deleted.node] };
  const wanted = [...cells].filter(([column, { stamp }]) => stamp > 0n && (kind === "delete" || changed.has(column)));
  return Object.fromEntries(wanted.map(([column, { stamp, node }]) => [column, [String(stamp), node]]));
}

function captureOps(
  plan: RowPlan,
  before: RowState,
  { kind, cells, node, at }: Pick<RowStatement, "kind" | "cells" | "node" | "at">,
): Json | null {
  if (kind === "delete") {
    if (plan.table.deletes !== "updateWins") return null;
    const marks: readonly Stamp[] = [...before.cells.values(), ...(before.deleted === null ? [] : [before.deleted])];
    const seen = marks.reduce<Seen>((sum, mark) => joinSeen(sum, new Map([[mark.node, mark.stamp]])), NOTHING_SEEN);
    return { $at: at, ...seenField(seen, node) };
  }
  const ops = opsOf(plan, before, cells);
  if (ops.size === 0) return null;
  const memories = [...plan.memory.keys()].flatMap((column) => before.cells.get(column)?.memory ?? []);
  const seen = memories.reduce<Seen>((sum, memory) => joinSeen(sum, seenOf(memory)), NOTHING_SEEN);
  return { $at: at, ...Object.fromEntries(ops), ...seenField(seen, node) };
}

const seenField = (seen: Seen, node: string): Readonly<Record<string, Json>> => {
  const others = new Map([...seen].filter(([name, stamp]) => name !== node && name !== "" && stamp > 0n));
  return others.size === 0 ? {} : { $seen: seenJson(others) };
};
