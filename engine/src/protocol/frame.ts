import type {
  ChainPoint,
  CommitOutcome,
  Cursor,
  EndedLife,
  Grant,
  LogHead,
  LogHorizon,
  LogLife,
  LogSlice,
  SnapshotChunk,
  SnapshotCursor,
  StagedCommit,
} from "../replica/replica-storage.ts";
import type { RangeAnswer, RangeQuestion, RepairAnswer, RepairRequest, RowAnswer, RowQuestion } from "../digest/comparison.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";

/** Durability levels an acknowledgement may name; see `docs/architecture.md`. */
export type DurabilityLevel = "D0" | "D1" | "D2" | "D3" | "D4";

/** First frame, child to parent. Nothing in it is believed until `prove`. */
export interface HelloFrame {
  readonly type: "hello";
  readonly protocols: readonly number[];
  readonly application: string;
  readonly catalogVersion: number;
  readonly catalogHash: Uint8Array;
  readonly tenant: string;
  readonly node: string;
  readonly tier: string;
  /** 32 random bytes. */
  readonly nonce: Uint8Array;
  readonly extensions: readonly string[];
}

/** Parent to child: proves the parent's key over both nonces. */
export interface WelcomeFrame {
  readonly type: "welcome";
  readonly protocol: number;
  readonly node: string;
  readonly tier: string;
  readonly catalogVersion: number;
  readonly catalogHash: Uint8Array;
  readonly nonce: Uint8Array;
  readonly signature: Uint8Array;
  readonly extensions: readonly string[];
}

/** Child to parent: proves the child's key, names its logs and how far it has the parent's. */
export interface ProveFrame {
  readonly type: "prove";
  readonly signature: Uint8Array;
  readonly nowMs: number;
  readonly heads: readonly LogHead[];
  readonly received: readonly Cursor[];
  readonly staged: readonly StagedCommit[];
  /** Bytes of bulk frames the parent may send before the next `credit`. */
  readonly credit: number;
  /** Tells this database from others that were copied from the same one; absent while no copy is known. */
  readonly copy?: string;
  /** Earlier lives of the child's logs, the latest first. */
  readonly lives?: readonly LogLife[];
  /** What the child's logs hold no more. */
  readonly horizons?: readonly LogHorizon[];
}

/** Parent to child: the session is open; both streams may flow. */
export interface ReadyFrame {
  readonly type: "ready";
  readonly grant: Grant;
  readonly nowMs: number;
  /** True when the parent has no parent itself. */
  readonly top: boolean;
  readonly heads: readonly LogHead[];
  readonly received: readonly Cursor[];
  readonly staged: readonly StagedCommit[];
  readonly credit: number;
  readonly pingMs: number;
  /** How far the parent has applied the own commits of the child's logs and of their earlier lives. */
  readonly chains?: readonly ChainPoint[];
  /** Earlier lives of the parent's logs, the latest first, and where these ended: cursors up to there are good. */
  readonly lives?: readonly EndedLife[];
  /** Tenants of whose logs the parent has lost commits that the child has: it is asked to offer what it holds. */
  readonly offers?: readonly string[];
}

/** Bulk, both ways: part of a log. On the wire its body is a columnar batch, deflated when that helps. */
export interface CommitsFrame {
  readonly type: "commits";
  readonly slice: LogSlice;
}

/**
 * Bulk, both ways: some of the changes of a commit too large for one frame. Parts are stored as they come, and the commit is
 * applied, all of it at once, after the last.
 */
export interface PartFrame {
  readonly type: "part";
  /** Ends at the commit's position and holds this commit alone, with the changes of this part. */
  readonly slice: LogSlice;
  readonly index: number;
  readonly last: boolean;
  /** Of this part and all before it; see `partDigest`. */
  readonly digest: Uint8Array;
}

/** Everything of this log up to `position` is applied and durable to `level`; commits not in `outcomes` are `applied`. */
export interface AckFrame {
  readonly type: "ack";
  readonly tenant: string;
  readonly incarnation: string;
  readonly position: number;
  readonly level: DurabilityLevel;
  readonly top: boolean;
  readonly outcomes: readonly CommitOutcome[];
}

/** The stream of this log cannot be taken as it came; the sender remedies `code` and sends again after `position`. */
export interface RejectFrame {
  readonly type: "reject";
  readonly tenant: string;
  readonly position: number;
  readonly code: string;
  readonly details: ErrorDetails;
}

/** The receiver can take that many more bytes of bulk frames. */
export interface CreditFrame {
  readonly type: "credit";
  readonly bytes: number;
}

/** Down: commits of these origins have reached the top up to `seq`. */
export interface SettledFrame {
  readonly type: "settled";
  readonly tenant: string;
  readonly origins: readonly { readonly origin: string; readonly seq: number }[];
}

/** Child to parent: send a snapshot of this log's rows from here on (null: from the start), of these tables only (null: of all). */
export interface SnapshotRequestFrame {
  readonly type: "snapshot";
  readonly tenant: string;
  readonly cursor: SnapshotCursor | null;
  readonly tables: readonly string[] | null;
}

/** Bulk, down: one page. `at` is the log position at which the snapshot began; the tail is streamed from there. */
export interface PageFrame {
  readonly type: "page";
  readonly at: Cursor;
  readonly chunk: SnapshotChunk;
}

/** Down: the snapshot is complete. */
export interface SnapshotDoneFrame {
  readonly type: "snapshot_done";
  readonly at: Cursor;
}

/** Child to parent, with the extension `digest`: which of these ranges of rows are otherwise there? `id` names the question. */
export interface CompareFrame {
  readonly type: "compare";
  readonly id: number;
  readonly question: RangeQuestion;
}

export interface ComparedFrame {
  readonly type: "compared";
  readonly id: number;
  readonly answer: RangeAnswer;
}

/** Child to parent: how are the rows of a range that differs? */
export interface CompareRowsFrame {
  readonly type: "compare_rows";
  readonly id: number;
  readonly question: RowQuestion;
}

export interface RowsComparedFrame {
  readonly type: "rows_compared";
  readonly id: number;
  readonly answer: RowAnswer;
}

/** Child to parent: rows of the child's that stand against the parent's. */
export interface RepairFrame {
  readonly type: "repair";
  readonly id: number;
  readonly request: RepairRequest;
}

export interface RepairedFrame {
  readonly type: "repaired";
  readonly id: number;
  readonly answer: RepairAnswer;
}

/** What a child asks while it compares, and what it is answered. */
export type ComparisonQuestion = CompareFrame | CompareRowsFrame | RepairFrame;
export type ComparisonAnswer = ComparedFrame | RowsComparedFrame | RepairedFrame;

export interface PingFrame {
  readonly type: "ping";
  readonly nowMs: number;
}

export interface PongFrame {
  readonly type: "pong";
  readonly echoMs: number;
  readonly nowMs: number;
}

/** Down: connect again after a delay, perhaps elsewhere. */
export interface DrainFrame {
  readonly type: "drain";
  readonly afterMs: number;
  readonly url: string | null;
}

/** Last frame before the link is closed. */
export interface ErrorFrame {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
}

export type Frame =
  | HelloFrame
  | WelcomeFrame
  | ProveFrame
  | ReadyFrame
  | CommitsFrame
  | PartFrame
  | AckFrame
  | RejectFrame
  | CreditFrame
  | SettledFrame
  | SnapshotRequestFrame
  | PageFrame
  | SnapshotDoneFrame
  | ComparisonQuestion
  | ComparisonAnswer
  | PingFrame
  | PongFrame
  | DrainFrame
  | ErrorFrame;
