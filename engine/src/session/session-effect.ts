import type { ErrorCode } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import type {
  ComparisonAnswer,
  ComparisonQuestion,
  Frame,
  HelloFrame,
  PageFrame,
  ProveFrame,
  WelcomeFrame,
} from "../protocol/frame.ts";
import type {
  AckRecord,
  ApplyPartRequest,
  ApplyRequest,
  Cursor,
  Grant,
  HistoryCheck,
  ReadLogRequest,
  ReadPartRequest,
  SnapshotCursor,
} from "../replica/replica-storage.ts";
import type { SettledSeq } from "./session-event.ts";

/** What the shell does for a session. Effects are begun in order; those that answer do so with an event. */
export type SessionEffect =
  /** Encode and send a frame. */
  | { readonly type: "send"; readonly frame: Frame }
  /** Send a message that is already encoded. */
  | { readonly type: "transmit"; readonly bytes: Uint8Array }
  /** Close the link after what was sent. No effect follows. */
  | { readonly type: "close"; readonly code: ErrorCode | null }

  // Handshake; answered by `answer`
  | { readonly type: "check-parent"; readonly hello: HelloFrame; readonly welcome: WelcomeFrame }
  | { readonly type: "sign-welcome"; readonly hello: HelloFrame; readonly nonce: Uint8Array }
  | { readonly type: "check-child"; readonly hello: HelloFrame; readonly nonce: Uint8Array; readonly prove: ProveFrame }

  // Replication; answered by `work`
  | {
      readonly type: "read-log";
      readonly request: ReadLogRequest;
      readonly generation: number;
      /** The `after` of the frame: what the peer was told before, at or below `request.after`. */
      readonly chainAfter: number;
      /** Encode a frame even when nothing in the slice is for the peer. */
      readonly sendEmpty: boolean;
    }
  | {
      readonly type: "read-part";
      readonly request: ReadPartRequest;
      readonly generation: number;
      readonly chainAfter: number;
      readonly index: number;
      /** The peer has this part: only its place is wanted. */
      readonly skip: boolean;
    }
  | { readonly type: "apply"; readonly request: ApplyRequest }
  | { readonly type: "apply-part"; readonly request: ApplyPartRequest }
  | { readonly type: "record-ack"; readonly ack: AckRecord }
  | { readonly type: "restamp"; readonly tenant: string }
  | { readonly type: "settle-history"; readonly check: HistoryCheck }
  | { readonly type: "read-settled"; readonly tenant: string; readonly origins: readonly string[] }
  /** Not answered. */
  | { readonly type: "record-settled"; readonly tenant: string; readonly origins: readonly SettledSeq[] }
  | { readonly type: "begin-snapshot"; readonly tenant: string; readonly generation: number }
  | {
      readonly type: "read-page";
      readonly tenant: string;
      readonly generation: number;
      readonly grant: Grant;
      readonly at: Cursor;
      readonly cursor: SnapshotCursor | null;
      readonly bytesMax: number;
      readonly peerVersion: number;
      readonly tables: readonly string[] | null;
    }
  | {
      readonly type: "apply-pages";
      readonly tenant: string;
      readonly pages: readonly PageFrame[];
      readonly ownAfter: number;
      readonly peerVersion: number;
      readonly tables: readonly string[] | null;
      /** What the parent lacks is offered to it. */
      readonly offers: boolean;
      /** They follow on pages that are stored already. */
      readonly goesOn: boolean;
    }
  | { readonly type: "finish-snapshot"; readonly at: Cursor; readonly goesOn: boolean }
  | { readonly type: "take-grant"; readonly tenant: string; readonly granted: string }
  | { readonly type: "answer-comparison"; readonly peer: string; readonly grant: Grant; readonly question: ComparisonQuestion }

  // Notices to the replica; not answered
  /** The parent has answered a question; null: it cannot be asked in this session. */
  | { readonly type: "compared"; readonly id: number; readonly answer: ComparisonAnswer | null }
  /** `peer` is the node; `as` is the name of its cursors here, which is another one when it is a copy. */
  | { readonly type: "established"; readonly peer: string; readonly as: string; readonly grant: Grant; readonly top: boolean }
  | { readonly type: "filling"; readonly tenant: string; readonly filling: boolean }
  | { readonly type: "skew"; readonly skewMs: number }
  /** The parent asked us to connect again later. */
  | { readonly type: "come-back"; readonly afterMs: number; readonly url: string | null }
  /** The session ends for this reason; `by` says which side saw it. */
  | { readonly type: "ended"; readonly code: ErrorCode; readonly details: ErrorDetails; readonly by: "us" | "peer" };

export interface Step<State> {
  readonly state: State;
  readonly effects: readonly SessionEffect[];
}
