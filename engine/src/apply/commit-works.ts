import type { Commit } from "../commit/commit.ts";
import type { LossBook } from "../journal/loss-book.ts";
import { joinChanges, type LaterChange } from "../merge/join-changes.ts";
import { foldRow, joinRowStates } from "../merge/join-rows.ts";
import { lossesOf } from "../merge/row-losses.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { joinRowSeen, type Seen } from "../merge/row-seen.ts";
import type { RowState } from "../merge/row-state.ts";
import { keyParts } from "./row-store.ts";

/** One change of a row: what was there, what it stands for, and what its writer says to have seen. */
interface RowStep extends LaterChange {
  readonly existing: RowState;
  readonly seen: Seen | null;
}

/** All changes of one commit to one row so far: the row before them, what they stand for together, and the row after them. */
interface Work {
  readonly commit: Commit;
  readonly existing: RowState;
  readonly incoming: RowState;
  readonly seen: Seen | null;
  readonly state: RowState;
}

/**
 * Folds changes into rows, and notes what lost. The changes of one commit to a row count as one: its author's row is stamped once,
 * when all of them are done, and so nobody else may say that something in between lost, or won.
 */
export class CommitWorks {
  readonly #plan: RowPlan;
  readonly #book: LossBook;
  readonly #open = new Map<string, Work>();

  constructor(plan: RowPlan, book: LossBook) {
    this.#plan = plan;
    this.#book = book;
  }

  /** Returns the row with the change. */
  take(key: string, commit: Commit, { op, existing, incoming, seen }: RowStep): RowState {
    const plan = this.#plan;
    const before = this.#open.get(key);
    if (before !== undefined && before.commit !== commit) this.end(key);
    const work = before?.commit === commit ? before : null;
    const all = work === null ? incoming : joinChanges(plan, work.incoming, { op, incoming }, commit);
    const row = work?.existing ?? existing;
    const state = joinRowStates(plan, row, all);
    this.#open.set(key, {
      commit,
      existing: row,
      incoming: all,
      seen: work === null ? seen : joinRowSeen(work.seen, seen),
      state,
    });
    return state;
  }

  /** Returns the row with the authority's, which is no edit. */
  takeTruth(key: string, commit: Commit, existing: RowState, incoming: RowState): RowState {
    const folded = foldRow(this.#plan, keyParts(key), existing, incoming, { seen: null, isTruth: true });
    this.#book.add(commit, folded, true);
    return folded.state;
  }

  /** What comes next for the row is not of the same commit. */
  end(key: string): void {
    const work = this.#open.get(key);
    if (work === undefined) return;
    this.#open.delete(key);
    const { commit, existing, incoming, seen, state: joined } = work;
    const context = { seen, isTruth: false };
    this.#book.add(commit, lossesOf({ plan: this.#plan, key: keyParts(key), existing, incoming, joined, context }), false);
  }

  endAll(): void {
    for (const key of this.#open.keys()) this.end(key);
  }
}
