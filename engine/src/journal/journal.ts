import type { CellText } from "../commit/commit.ts";
import type { Receipt } from "../replica/replica.ts";

/** A value with who wrote it, as far as this replica knows. */
export interface WrittenValue {
  readonly value: CellText;
  /** By the writer's clock; null when the value has no stamp. */
  readonly writtenAt: Date | null;
  readonly author: string | null;
  readonly tier: string | null;
  readonly node: string | null;
  /** The commit that wrote it; null when it was not in the log any more. */
  readonly commit: { readonly origin: string; readonly seq: number } | null;
}

/**
 * Why a value lost: the rule of its column; `tombstone`: of a delete and an update the other won; `refused`: the authority took it
 * back; `undo`: somebody put an earlier value back; `restamp`: not a value, but a commit that got another stamp.
 */
export type LossRule = string;

export interface JournalEntry {
  readonly tenant: string;
  /** The same on every replica that has the entry. */
  readonly id: string;
  readonly table: string;
  /** Primary key without the tenant. */
  readonly key: readonly string[];
  /** `$row`: a whole row, its values as JSON. `$deleted`: a delete. `$stamp`: a commit that got another stamp. */
  readonly column: string;
  readonly rule: LossRule;
  readonly lost: WrittenValue;
  /** What won when it was noticed here. Of a chain of values another replica may have seen another one win. */
  readonly won: WrittenValue;
  /** When this replica noticed. */
  readonly noticedAt: Date;
  /** The commit that put it back from here; null: it was not. */
  readonly undone: { readonly at: Date; readonly origin: string; readonly seq: number } | null;
}

export interface JournalFilter {
  /** Default: the replica's own tenant; at the top all. */
  readonly tenant?: string;
  readonly table?: string;
  readonly key?: readonly string[];
  readonly column?: string;
  /** Noticed at this time or later. */
  readonly since?: Date;
  /** Default 100, at most 1,000. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string | null;
  /** True: values too that lost to an equal one, which leave nothing to put back. */
  readonly withEqual?: boolean;
}

export interface JournalPage {
  /** The newest first. */
  readonly entries: readonly JournalEntry[];
  /** Names the next page; null on the last. */
  readonly next: string | null;
}

/** What lost a merge, as far as this replica saw it. The journal never travels. */
export interface Journal {
  /** Throws `request-invalid` for a filter that cannot be. */
  list(filter?: JournalFilter): Promise<JournalPage>;
  /**
   * Puts the lost value back by an ordinary new commit of this replica, and notes what it replaced, which can be put back in its turn.
   * A deleted row comes back with the values that were kept of it. `receipt` is null when the value stands already.
   * Throws `not-found`, `undo-refused` when there is nothing to put back, and what the write itself throws (`write-refused` where the
   * rule, or this tier, does not allow it): then nothing has changed.
   */
  undo(
    entry: Pick<JournalEntry, "tenant" | "id">,
    options?: { readonly author?: string },
  ): Promise<{ readonly receipt: Receipt | null; readonly entry: JournalEntry | null }>;
}
