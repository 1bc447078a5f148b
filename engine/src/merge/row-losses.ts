import type { ColumnRule, RowRule } from "../catalog/rule.ts";
import type { CellText } from "../commit/commit.ts";
import { writesOf } from "./memory/memory-rule.ts";
import { compareStamps, type Register, type Stamp } from "./register.ts";
import type { RowPlan } from "./row-plan.ts";
import type { Seen } from "./row-seen.ts";
import { isPresent, type RowState } from "./row-state.ts";

/** A value that lost a merge. */
export interface Loser {
  readonly table: string;
  /** Primary key without the tenant. */
  readonly key: readonly string[];
  /** `$deleted` when a delete lost to a later update; `$row` for a whole row. */
  readonly column: string;
  readonly rule: (ColumnRule | RowRule)["kind"] | "tombstone" | "refused";
  /** `incoming`: the change that was being applied lost. `existing`: it replaced what its writer had not seen. */
  readonly lost: "incoming" | "existing";
  readonly winner: Register;
  readonly loser: Register;
}

/** One write of one cell: a cell is written at most once under a stamp. */
export interface CellWrite {
  readonly table: string;
  readonly key: readonly string[];
  readonly column: string;
  readonly written: Stamp;
}

/** What one change of a row makes lose. */
export interface RowLosses {
  /** Values that lost, also to an equal value. */
  readonly losers: readonly Loser[];
  /** Writes that this change replaced knowingly although other values had come between: they did not lose. */
  readonly superseded: readonly CellWrite[];
  /** Values that stand, of rows where one that had lost may have come back. */
  readonly standing: readonly (CellWrite & { readonly value: CellText })[];
}

/** What is known of the change that is folded in. */
export interface FoldContext {
  /** What its writer saw; null: it does not say, and then its own node's earlier values count as seen. */
  readonly seen: Seen | null;
  /** True when it is the authority's row and no edit. */
  readonly isTruth: boolean;
}

/** What the losers of one row are worked out from. Several changes of one commit to a row are one `incoming`. */
export interface Fold {
  readonly plan: RowPlan;
  readonly key: readonly string[];
  readonly existing: RowState;
  readonly incoming: RowState;
  readonly joined: RowState;
  readonly context: FoldContext;
}

const sameWrite = (left: Stamp, right: Stamp): boolean => left.stamp === right.stamp && left.node === right.node;

/** True when the writer of `by` had seen `before`, or wrote it in the same commit. */
function knew(before: Stamp, by: Stamp, seen: Stamp | null | undefined, context: FoldContext): boolean {
  if (sameWrite(before, by)) return true;
  // The commit that the authority's value is from says what its writer had seen, and it comes by itself.
  if (context.isTruth) return false;
  if (context.seen !== null) return seen != null && sameWrite(before, seen);
  return before.node === by.node && before.stamp <= by.stamp;
}

/** True when the writer of a delete had seen what a write did to a column with memory, of which he may have seen one thing and not another. */
const sawOperation = (seen: Seen | null, { stamp, node }: Stamp): boolean => (seen?.nodes.get(node) ?? 0n) >= stamp;

function incomingLosers({ plan, key, incoming, joined }: Fold): Loser[] {
  const losers: Loser[] = [];
  const { deleted } = joined;
  const absent = deleted !== null && !isPresent(joined, plan);
  for (const [column, register] of incoming.cells) {
    // What the commit itself deleted again its writer gave up.
    if (register.stamp === 0n || incoming.deleted !== null) continue;
    const winner = joined.cells.get(column) ?? register;
    // What was done to a cell with memory is in the memory, whatever value comes out of it.
    const remembers = plan.memory.has(column);
    const base = { table: plan.table.name, key, column, lost: "incoming", loser: register } as const;
    if (!remembers && (!sameWrite(winner, register) || winner.value !== register.value)) {
      losers.push({ ...base, rule: plan.ruleOf(column).kind, winner });
    } else if (absent) losers.push({ ...base, rule: "tombstone", winner: { value: null, ...deleted } });
  }
  if (incoming.deleted !== null && isPresent(joined, plan)) {
    losers.push({
      table: plan.table.name,
      key,
      column: "$deleted",
      rule: "tombstone",
      lost: "incoming",
      winner: latestCell(joined),
      loser: { value: null, ...incoming.deleted },
    });
  }
  return losers;
}

const latestCell = ({ cells }: RowState): Register =>
  [...cells.values()].reduce((best, next) => (compareStamps(next, best) > 0 ? next : best), { value: null, stamp: 0n, node: "" });

/** Values of a row that was there, which the change replaced or deleted without having seen them. */
function existingLosers({ plan, key, existing, incoming, joined, context }: Fold): Loser[] {
  const losers: Loser[] = [];
  const deleting = incoming.deleted !== null && !isPresent(joined, plan) ? incoming.deleted : null;
  for (const [column, before] of existing.cells) {
    if (before.stamp === 0n) continue;
    const remembers = plan.memory.has(column);
    const register = incoming.cells.get(column);
    const winner = joined.cells.get(column) ?? before;
    const seen = context.seen?.cells.get(column);
    const base = { table: plan.table.name, key, column, lost: "existing", loser: before } as const;
    // A value of the authority's that nobody wrote came out of concurrent ones; what an edit only saw does not count.
    const isWritten = !remembers && register !== undefined && (register.stamp > 0n || context.isTruth);
    if (isWritten && !(sameWrite(winner, before) && winner.value === before.value)) {
      if (!knew(before, register, seen, context)) losers.push({ ...base, rule: plan.ruleOf(column).kind, winner });
    } else if (deleting !== null) {
      for (const loser of writesOf(plan.memory.get(column), before)) {
        if (knew(loser, deleting, seen, context) || (remembers && sawOperation(context.seen, loser))) continue;
        losers.push({ ...base, loser, rule: "tombstone", winner: { value: null, ...deleting } });
      }
    }
  }
  return losers;
}

/** The delete that the change brings the row back from, unless its writer had seen it. */
function revivedLosers({ plan, key, existing, incoming, joined, context }: Fold): Loser[] {
  const { deleted } = existing;
  if (deleted === null || !isPresent(joined, plan)) return [];
  const winner = latestCell(incoming);
  if (knew(deleted, winner, context.seen?.deleted, context)) return [];
  return [
    {
      table: plan.table.name,
      key,
      column: "$deleted",
      rule: "tombstone",
      lost: "existing",
      winner,
      loser: { value: null, ...deleted },
    },
  ];
}

/** What the writer saw and replaced, where that is not what was here: it may be, or come to be, in the journal as lost. */
function supersededWrites({ plan, key, existing, incoming, context: { seen } }: Fold): CellWrite[] {
  if (seen === null) return [];
  const table = plan.table.name;
  // The values of a row that is gone may have been noted as lost to its delete.
  const wasThere = isPresent(existing, plan);
  const found: CellWrite[] = [];
  for (const [column, written] of seen.cells) {
    const update = incoming.cells.get(column);
    // What adds to a value leaves the rest of it what it was.
    if (update !== undefined && plan.memory.get(column)?.addsUp === true) continue;
    const by = update ?? incoming.deleted;
    const here = existing.cells.get(column);
    if (by === null || by.stamp === 0n || written.stamp === 0n) continue;
    if (wasThere && here !== undefined && sameWrite(here, written)) continue;
    found.push({ table, key, column, written });
  }
  if (!wasThere && incoming.deleted !== null) {
    for (const [column, before] of existing.cells) {
      const writes = writesOf(plan.memory.get(column), before).filter((write) => sawOperation(seen, write));
      found.push(...writes.map(({ stamp, node }) => ({ table, key, column, written: { stamp, node } })));
    }
  }
  if (seen.deleted !== null && (existing.deleted === null || !sameWrite(existing.deleted, seen.deleted)))
    found.push({ table, key, column: "$deleted", written: seen.deleted });
  return found;
}

/** What lost when `joined` came out of the other two. */
export function lossesOf(fold: Fold): RowLosses {
  const { plan, key, existing, joined, context } = fold;
  const wasThere = isPresent(existing, plan);
  // What of the authority's row loses here came, or comes, in a commit of its own.
  const losers = context.isTruth ? [] : incomingLosers(fold);
  losers.push(...(wasThere ? existingLosers(fold) : revivedLosers(fold)));
  const mayReturn = context.isTruth || (!wasThere && existing.deleted !== null);
  return {
    losers,
    superseded: supersededWrites(fold),
    standing: mayReturn && isPresent(joined, plan) ? standingCells(plan, key, joined) : [],
  };
}

/** Every value of a row that is there, and what was done to its columns with memory. */
const standingCells = (plan: RowPlan, key: readonly string[], { cells }: RowState): RowLosses["standing"] =>
  [...cells].flatMap(([column, register]) =>
    writesOf(plan.memory.get(column), register).flatMap(({ value, stamp, node }) =>
      stamp === 0n ? [] : [{ table: plan.table.name, key, column, written: { stamp, node }, value }],
    ),
  );
