import type { ErrorCode } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import type { ComparisonAnswer, ComparisonQuestion, Frame } from "../protocol/frame.ts";
import type {
  AckRecord,
  ApplyResult,
  ChainPoint,
  Cursor,
  EndedLife,
  Grant,
  LogHead,
  LogHorizon,
  PartPlace,
  SnapshotCursor,
  StagedCommit,
  UnfinishedSnapshot,
} from "../replica/replica-storage.ts";

export interface SettledSeq {
  readonly origin: string;
  readonly seq: number;
}

/** A row of the node registry, as far as a session needs it. */
export interface RegisteredNode {
  readonly node: string;
  readonly grant: Grant;
}

/** Where both logs stand on this side when a session opens. */
export interface Positions {
  readonly heads: readonly LogHead[];
  readonly received: readonly Cursor[];
  readonly acknowledged: readonly Cursor[];
  readonly unfinished: readonly UnfinishedSnapshot[];
  /** The grant under which the parent's rows came, as `grantText`; null before the first session, and on the parent's side. */
  readonly granted: string | null;
  /** Commits of the peer of which parts are stored. */
  readonly staged: readonly StagedCommit[];
  /** On the child's side: what tells this copy from others, earlier lives of its logs, and what these hold no more. */
  readonly copy: string | null;
  readonly lives: readonly EndedLife[];
  readonly horizons: readonly LogHorizon[];
  /** On the parent's side: how far the own commits of the child's logs, and of their earlier lives, are applied. */
  readonly chains: readonly ChainPoint[];
  /** On the parent's side: tenants of whose logs the child has commits that were lost here. */
  readonly offers: readonly string[];
}

/** Of a peer of which nothing is known. */
export const nowhere: Positions = {
  heads: [],
  received: [],
  acknowledged: [],
  unfinished: [],
  granted: null,
  staged: [],
  copy: null,
  lives: [],
  horizons: [],
  chains: [],
  offers: [],
};

/** What became of an effect of the handshake. */
export type HandshakeAnswer =
  /** The parent's signature was checked; `signature` is ours, for `prove`. */
  | { readonly type: "parent-checked"; readonly valid: boolean; readonly signature: Uint8Array; readonly positions: Positions }
  /** The registry was read, and our `welcome` signed. Nothing here tells whether the node is known. */
  | { readonly type: "welcome-signed"; readonly signature: Uint8Array }
  /** The child's proof was checked. `node` is null for a wrong key, an unknown node and a revoked one alike. */
  | {
      readonly type: "child-checked";
      readonly node: RegisteredNode | null;
      /** The name of its logs' cursors here: that of the node, unless it is a copy. */
      readonly peer: string;
      readonly positions: Positions;
      /** The registry is not here yet: who is not known now may be soon. */
      readonly unready: boolean;
    };

/** What became of an effect of the replication. */
export type ReplicationEvent =
  | { readonly type: "log-grew"; readonly heads: readonly Pick<LogHead, "tenant" | "position">[] }
  | {
      readonly type: "slice-read";
      readonly tenant: string;
      readonly generation: number;
      readonly upTo: number;
      readonly head: number;
      /** Encoded frames in order; empty when nothing in the slice was for the peer. */
      readonly messages: readonly Uint8Array[];
      /** The position of a commit right behind that goes in parts; null when there is none. */
      readonly large: number | null;
    }
  | {
      readonly type: "part-read";
      readonly tenant: string;
      readonly generation: number;
      readonly head: number;
      /** The encoded part; null when it was not to be sent, or nothing of the commit was for the peer. */
      readonly message: Uint8Array | null;
      readonly place: PartPlace;
      readonly last: boolean;
    }
  | {
      readonly type: "read-failed";
      readonly tenant: string;
      readonly generation: number;
      readonly code: ErrorCode;
      readonly details: ErrorDetails;
    }
  | { readonly type: "applied"; readonly tenant: string; readonly result: ApplyResult }
  | { readonly type: "part-staged"; readonly tenant: string }
  | { readonly type: "apply-failed"; readonly tenant: string; readonly code: ErrorCode; readonly details: ErrorDetails }
  | { readonly type: "ack-recorded"; readonly ack: AckRecord }
  | { readonly type: "restamped"; readonly tenant: string }
  /** The parent's view of our log was compared with ours. `after`: where to send from; null: we are a copy, and the log began anew. */
  | { readonly type: "history-settled"; readonly tenant: string; readonly after: number | null }
  | { readonly type: "top-moved"; readonly tenant: string }
  /** Outcomes of the child's commits have changed that it was not told of. */
  | { readonly type: "outcomes-due"; readonly tenant: string }
  | { readonly type: "settled-read"; readonly tenant: string; readonly origins: readonly SettledSeq[] }
  | { readonly type: "snapshot-begun"; readonly tenant: string; readonly generation: number; readonly at: Cursor }
  | {
      readonly type: "page-read";
      readonly tenant: string;
      readonly generation: number;
      /** The encoded page, or null when the snapshot has no more rows. */
      readonly message: Uint8Array | null;
      readonly next: SnapshotCursor | null;
    }
  | { readonly type: "page-applied"; readonly tenant: string }
  | { readonly type: "snapshot-finished"; readonly tenant: string }
  /** The parent's grant is stored; `changed` says that another was in force. */
  | { readonly type: "grant-taken"; readonly tenant: string; readonly changed: boolean }
  /** The replica wants the parent to be asked. */
  | { readonly type: "compare"; readonly question: ComparisonQuestion }
  | { readonly type: "comparison-answered"; readonly answer: ComparisonAnswer }
  /** The link's buffer passed its high-water mark, or drained. */
  | { readonly type: "pressure"; readonly high: boolean };

export type SessionEvent =
  | { readonly type: "opened"; readonly nonce: Uint8Array }
  | { readonly type: "frame"; readonly frame: Frame; readonly bytes: number }
  /** A message that is no frame. */
  | { readonly type: "frame-refused"; readonly code: ErrorCode; readonly details: ErrorDetails }
  | { readonly type: "answer"; readonly answer: HandshakeAnswer }
  | { readonly type: "work"; readonly work: ReplicationEvent }
  /** An effect failed for a reason that says nothing about the data. */
  | { readonly type: "failed"; readonly code: ErrorCode; readonly details: ErrorDetails }
  | { readonly type: "tick" }
  /** End the session: revoked, replaced, or the replica closes. */
  | { readonly type: "stop"; readonly code: ErrorCode; readonly details: ErrorDetails }
  /** Parent side: ask the child to come back later. */
  | { readonly type: "drain"; readonly afterMs: number }
  | { readonly type: "closed" };
