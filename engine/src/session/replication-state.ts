import type { PageFrame, PartFrame, SnapshotDoneFrame } from "../protocol/frame.ts";
import type {
  AckRecord,
  Cursor,
  Grant,
  LogHorizon,
  LogSlice,
  PartPlace,
  SnapshotCursor,
  StagedCommit,
  UnfinishedSnapshot,
} from "../replica/replica-storage.ts";
import type { LocalSide } from "./local-side.ts";
import type { SessionEffect } from "./session-effect.ts";

/** A bulk frame that is encoded and waits for the peer's credit. */
export interface Outbound {
  readonly bytes: Uint8Array;
  /** The position the peer has been told once this frame is sent; null when more frames of the same slice follow. */
  readonly tells: number | null;
}

/** A commit that goes in parts. */
export interface OutgoingPart {
  readonly position: number;
  /** The part to read next, and what the part before gave. */
  readonly index: number;
  readonly after: PartPlace | null;
  /** What the peer says it has of the commit; null when nothing, or when it turned out to be of another commit. */
  readonly staged: StagedCommit | null;
  /** True once a part was sent or skipped: the peer is told the position by the last. */
  readonly began: boolean;
}

/**
 * One of our logs on its way to the peer. `checking`: what the parent has of it is compared with ours first. `stream`: commits flow. `snapshot`: pages flow, then the log from `at` on.
 * `waiting`: the peer has to ask for a snapshot first. `restamping`: the peer found our clock ahead.
 */
export interface OutgoingLog {
  readonly tenant: string;
  readonly incarnation: string;
  readonly mode: "checking" | "stream" | "snapshot" | "waiting" | "restamping";
  /** Raised whenever what is on its way from the database no longer counts. */
  readonly generation: number;
  /** The newest position known. */
  readonly head: number;
  /** Read from the log up to here. */
  readonly read: number;
  /** Encoded up to here; the next frame's `after`. Below `read` while nothing was for the peer. */
  readonly told: number;
  /** Sent at some time in this session: no acknowledgement may name more. */
  readonly toldMax: number;
  /**
   * What the peer was sent in this session, or had before it began. What it says that it has beyond that may be the work of another copy of
   * us, at the same positions.
   */
  readonly sentMax: number;
  readonly acknowledged: number;
  readonly busy: boolean;
  readonly queue: readonly Outbound[];
  /** Since when `read` is ahead of `told` with nothing to send. */
  readonly quietSinceMs: number | null;
  readonly rejects: number;
  /** While acknowledgements are behind this position, commits are sent one by one; see `onReject`. */
  readonly singlyUpTo: number;
  readonly recording: boolean;
  /** Acknowledged and waiting until the one before is recorded. */
  readonly nextAck: AckRecord | null;
  readonly snapshot: {
    readonly at: Cursor | null;
    readonly cursor: SnapshotCursor | null;
    /** The only tables that were asked for; null: all. */
    readonly tables: readonly string[] | null;
  } | null;
  /** Where the snapshot began whose last page was read. */
  readonly finishing: Cursor | null;
  /** After a snapshot the first slice is sent even if it is empty: it tells the child when it is full. */
  readonly tellAtOnce: boolean;
  /** The commit that is sent in parts at the moment. */
  readonly part: OutgoingPart | null;
  /** What the peer said at the beginning that it has of a commit in parts. */
  readonly staged: StagedCommit | null;
}

export type Inbound =
  | { readonly type: "slice"; readonly slice: LogSlice; readonly bytes: number }
  | { readonly type: "part"; readonly part: PartFrame; readonly bytes: number }
  | { readonly type: "page"; readonly page: PageFrame; readonly bytes: number }
  | { readonly type: "done"; readonly done: SnapshotDoneFrame }
  /** Nothing came; asks the storage for outcomes that the peer has yet to be told, or was told after that position. */
  | { readonly type: "probe"; readonly after: number | null };

/** One of the peer's logs on its way to us. `resync`: we rejected it and wait for it to start again at `position`. */
export interface IncomingLog {
  readonly tenant: string;
  readonly incarnation: string;
  readonly mode: "stream" | "resync" | "snapshot";
  /** Applied and durable up to here. */
  readonly position: number;
  /** Received up to here: where the next frame has to begin at the latest. */
  readonly end: number;
  readonly queue: readonly Inbound[];
  /** Bytes that become credit when the apply in progress is finished; null when none is. */
  readonly applying: {
    readonly bytes: number;
    readonly upTo: number;
    readonly after?: number;
    readonly probe?: boolean;
    /** The seq of the last of the peer's own commits in it; absent: it has none. */
    readonly ownSeq?: number;
  } | null;
  /** The peer's own commits up to this seq were compared with what we have of them, or came in this session. */
  readonly verifiedSeq: number;
  /** What the peer's log holds no more; null: it holds everything. */
  readonly horizon: LogHorizon | null;
  readonly rejects: number;
  /** The position acknowledged last while outcomes of later commits are still to be told; null when none are. */
  readonly toldUpTo: number | null;
  /** Up to where the peer was told, in this session, that its log survives the loss of our site. */
  readonly safeTold: number;
  /** Where the snapshot in progress began, which is where the log goes on. */
  readonly snapshotAt: Cursor | null;
  /** The only tables that the snapshot in progress is of; null: all. */
  readonly snapshotTables: readonly string[] | null;
  /** The snapshot that an earlier session left unfinished; null when there is none, or it goes on already. */
  readonly unfinished: UnfinishedSnapshot | null;
  /** The position of our own log that the parent certainly had when it read the pages of the snapshot. */
  readonly ownAfter: number;
  /** Pages of the snapshot in progress are stored, or are being stored: those that follow count only beside them. */
  readonly paged: boolean;
  /** The parent has lost commits of this log that we have: what its snapshot lacks is offered to it. */
  readonly offers: boolean;
  /** An earlier life of the log under which our cursor is stored; null when it is of the present one. */
  readonly continues: string | null;
  /** Not null while rows may be missing: the position the tail has to pass, `unknown` before the first tail slice. */
  readonly fillUntil: number | "unknown" | null;
  /** How many parts of which commit have come; null between commits. */
  readonly parts: { readonly position: number; readonly count: number } | null;
}

/** Both streams of an open session. The same on both sides; what differs is in `towards` and `grant`. */
export interface Replication {
  readonly local: LocalSide;
  /** The name of the peer's cursors here. */
  readonly peer: string;
  /** The peer's node. */
  readonly node: string;
  /** The peer's version of the catalog. */
  readonly peerVersion: number;
  /** Which way our own log goes. `down`: the peer is our child. */
  readonly towards: "up" | "down";
  /** The child's grant when the peer is our child; ours, as the parent states it, otherwise. */
  readonly grant: Grant;
  readonly outgoing: ReadonlyMap<string, OutgoingLog>;
  readonly incoming: ReadonlyMap<string, IncomingLog>;
  /** True when the child compares its rows with the parent's in this session. */
  readonly compares: boolean;
  /** Questions of the child that are not answered yet. */
  readonly comparing: number;
  /** Bytes of bulk frames we may still send. */
  readonly credit: number;
  readonly linkHigh: boolean;
  readonly linkHighSinceMs: number | null;
  /** Bytes of bulk frames received and not yet given back as credit. */
  readonly held: number;
  /** Incarnations whose commits came through the peer, with the seq that we last told it is at the top. */
  readonly settled: ReadonlyMap<string, number>;
  readonly readingSettled: boolean;
  readonly settledAgain: boolean;
  readonly lastFrameMs: number;
  readonly lastPingMs: number;
  readonly skewMs: number;
}

export type Handled = { readonly state: Replication; readonly effects: readonly SessionEffect[] };

export const unchanged = (state: Replication): Handled => ({ state, effects: [] });

/** Runs `next` on the result of a step and keeps the effects of both, in order. */
export function andThen(first: Handled, next: (state: Replication) => Handled): Handled {
  const second = next(first.state);
  return { state: second.state, effects: first.effects.length === 0 ? second.effects : [...first.effects, ...second.effects] };
}

export const withOutgoing = (state: Replication, log: OutgoingLog): Replication => ({
  ...state,
  outgoing: new Map(state.outgoing).set(log.tenant, log),
});

export const withIncoming = (state: Replication, log: IncomingLog): Replication => ({
  ...state,
  incoming: new Map(state.incoming).set(log.tenant, log),
});
