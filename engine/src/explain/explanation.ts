import type { CellText, Change } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { JournalEntry, WrittenValue } from "../journal/journal.ts";
import type { CommitReceipt } from "../receipt/read-receipt.ts";

/** A cell as it stands. */
export interface ExplainedCell {
  readonly column: string;
  /** The rule that decides it, for example `lastWriterWins`. */
  readonly rule: string;
  /** The value with who wrote it. `writtenAt` is null when the table keeps no stamps or the time is unknown. */
  readonly current: WrittenValue;
}

/** A commit that wrote the cell or row, from the log while it is kept. */
export interface ExplainedCommit {
  readonly origin: string;
  readonly seq: number;
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  /** By its writer's clock. */
  readonly writtenAt: Date;
  /** The peer that brought it; null: written here. */
  readonly via: string | null;
  readonly op: Change["op"];
  /** What it wrote, as the change carries it. */
  readonly values: Readonly<Record<string, CellText>>;
  /** `device` is when it came into this replica's log; then when it was further up, as far as this replica knows. */
  readonly receipt: CommitReceipt;
}

export interface ExplainedHeld {
  readonly origin: string;
  readonly seq: number;
  readonly state: string;
  readonly code: ErrorCode;
  readonly heldAt: Date;
}

/** What one replica knows of a cell or a row. */
export interface Explanation {
  readonly tenant: string;
  readonly table: string;
  readonly key: readonly string[];
  /** Null: the whole row. */
  readonly column: string | null;
  /** The replica that says so. */
  readonly node: string;
  readonly tier: string;
  readonly exists: boolean;
  readonly deleted: { readonly at: Date; readonly node: string } | null;
  readonly cells: readonly ExplainedCell[];
  /** The newest first, 50 at most. */
  readonly commits: readonly ExplainedCommit[];
  readonly losses: readonly JournalEntry[];
  readonly held: readonly ExplainedHeld[];
}
