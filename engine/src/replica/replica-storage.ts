import type { Change, Commit, Outcome } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { IncarnationCause } from "../incarnation/begin-incarnation.ts";
import type { DurabilityLevel, PartFrame } from "../protocol/frame.ts";

/** What a peer may see and write: one tenant, and per scope dimension all or a list of ids. */
export interface Grant {
  readonly tenant: string;
  readonly tier: string;
  readonly role: string;
  /** A dimension that is not named is unrestricted. A row whose dimension is null is seen by the whole tenant. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** The end of one log of this replica. A log belongs to one tenant (or to the catalog's shared tenant). */
export interface LogHead {
  readonly tenant: string;
  readonly incarnation: string;
  readonly position: number;
  readonly seq: number;
  readonly stamp: bigint;
}

/** How far a receiver has applied a sender's log. */
export interface Cursor {
  readonly tenant: string;
  readonly incarnation: string;
  readonly position: number;
  /** What the sender, a parent, said of that position; opaque to everyone else. */
  readonly mark?: Uint8Array;
}

/** A life of a log that has ended, and where the log ended then. */
export interface EndedLife extends LogLife {
  readonly position: number;
}

/** A place in the chain of a log's own commits: the newest one that is meant, by its seq and hash. */
export interface ChainPoint {
  readonly tenant: string;
  readonly incarnation: string;
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** Up to where a log holds its commits no more: everything to `position` is gone, own commits to `seq`. */
export interface LogHorizon extends ChainPoint {
  readonly position: number;
}

/** A life of a log. */
export type LogLife = Pick<LogHead, "tenant" | "incarnation">;

/** What a child has to know of its parent's view of a log before it sends it. */
export interface HistoryCheck {
  readonly peer: string;
  readonly tenant: string;
  /** How far the parent has applied the log's own commits, those of its earlier lives among them. */
  readonly chains: readonly ChainPoint[];
  /** How far the parent has the log; null when it does not know it. */
  readonly received: Cursor | null;
}

export interface ReadLogRequest {
  readonly tenant: string;
  /** The peer's version of the catalog; default ours. A child is sent the changes as its version has them. */
  readonly peerVersion?: number;
  /** Commits with a position greater than this. */
  readonly after: number;
  readonly peer: string;
  /** `up`: everything that did not come from the peer. `down`: filtered by `grant` and by what flows down to its tier. */
  readonly towards: "up" | "down";
  readonly grant: Grant | null;
  readonly bytesMax: number;
  readonly rowsMax: number;
}

/** Part of a log, in order. All positions in (`after`, `upTo`] are covered: what is not here was not for the peer. */
export interface LogSlice {
  readonly tenant: string;
  readonly incarnation: string;
  readonly after: number;
  readonly upTo: number;
  /** The log's end when the slice was read, for lag. */
  readonly head: number;
  /** From a parent: what it says of `upTo`. The child shows it again when it comes back. */
  readonly mark?: Uint8Array;
  readonly commits: readonly Commit[];
}

export interface ReadSlice extends LogSlice {
  /** The position of a commit right behind this slice that is too large for a frame: it is read by `readPart`. */
  readonly large?: number;
}

/** Where in a large commit to read on. */
export interface ReadPartRequest extends Pick<ReadLogRequest, "tenant" | "peer" | "peerVersion" | "towards" | "grant"> {
  /** The commit's position. */
  readonly position: number;
  /** Null for the first part; else what the part before gave. */
  readonly after: PartPlace | null;
}

/** Opaque to everyone but the storage that made it; `digest` is the running digest of the parts so far. */
export interface PartPlace {
  readonly ordinal: number;
  readonly digest: Uint8Array;
}

/** Some of the changes of a large commit, at least one unless nothing was left for the peer. */
export interface LogPart {
  /** What a parent says of the commit's position. */
  readonly mark?: Uint8Array;
  readonly incarnation: string;
  readonly head: number;
  readonly commit: Commit;
  readonly place: PartPlace;
  readonly last: boolean;
}

/** How much of a commit that comes in parts is stored: parts 0 to `parts` - 1, with their running digest. */
export interface StagedCommit {
  readonly tenant: string;
  readonly incarnation: string;
  readonly position: number;
  readonly parts: number;
  readonly digest: Uint8Array;
}

/** The result for one commit. `applied` is the default and is not listed by an acknowledgement. */
export interface CommitOutcome {
  readonly origin: string;
  readonly seq: number;
  readonly outcome: Outcome;
  readonly code: ErrorCode | null;
  /** The receiver's rows for what was refused: upserts (`insert`) and `delete`s that bring the author back to the truth. */
  readonly truth: readonly Change[];
}

export interface ApplyRequest {
  readonly peer: string;
  /** `child`: the peer is below us and its grant is checked. `parent`: it is above us and is the authority. */
  readonly from: "child" | "parent";
  readonly grant: Grant | null;
  /** The peer's version of the catalog, in which the outcomes' rows are told; default ours. */
  readonly peerVersion?: number;
  /** The peer's node, where the peer is a copy and known under a name of its own; default `peer`. */
  readonly node?: string;
  /** Up to this seq the peer's own commits were compared with what we have of them; default: all. */
  readonly verifiedSeq?: number;
  /** What the peer's log holds no more; null or absent: it holds everything. */
  readonly horizon?: LogHorizon | null;
  /** An earlier life of the log, whose cursor counts as one of this life. */
  readonly continues?: string;
  readonly slice: LogSlice;
}

export interface ApplyPartRequest extends Omit<ApplyRequest, "slice"> {
  readonly part: Omit<PartFrame, "type">;
}

export interface ApplyResult {
  /** Applied and durable up to here: the position an acknowledgement may name. */
  readonly position: number;
  /** Only commits that were merged or refused. */
  readonly outcomes: readonly CommitOutcome[];
  /** True when outcomes are left: no acknowledgement may name the position before an empty slice at it has brought them all. */
  readonly untold?: boolean;
  /** True when rows came into our scope that no commit brings: a snapshot has to fill them. */
  readonly refill?: boolean;
  /** Up to where the child's log survives the loss of this site; absent: that is not known. */
  readonly safe?: number;
  readonly rowsApplied: number;
  readonly commitsApplied: number;
  readonly commitsDuplicate: number;
}

/** Where a peer's acknowledgements of our log stand. */
export interface AckRecord {
  readonly peer: string;
  readonly tenant: string;
  readonly incarnation: string;
  readonly position: number;
  /** How durable the commits are there; absent: it did not say. */
  readonly level?: DurabilityLevel;
  /** Up to where the log survives the loss of the peer's site; absent: nothing new. */
  readonly safe?: number;
  /** True when the acknowledging replica is the top of the tree, so that the commits are at the hub. */
  readonly top: boolean;
  readonly outcomes: readonly CommitOutcome[];
}

/** One chunk of a snapshot: rows of one table in key order, with the stamps of their columns where rules need them. */
export interface SnapshotChunk {
  readonly tenant: string;
  readonly change: Change;
  /** Per row the `stamps` document of `hayloft.row_state`, or null; absent for tables whose rule keeps none. */
  readonly stamps: readonly (string | null)[] | null;
  /** Where to go on: opaque to everyone but the storage that made it. Null after the last chunk. */
  readonly next: SnapshotCursor | null;
}

/** What a snapshot depends on beside the grant. */
export interface SnapshotPeer {
  /** The peer's version of the catalog; default ours. Cursors of one version mean nothing to another. */
  readonly peerVersion?: number;
  /** Names of the only tables that are wanted, in the child's version of the catalog; null, the default: all. */
  readonly tables?: readonly string[] | null;
  /** True when the parent has lost what we have: what its pages lack goes into our log as an offer, and stays. Default false. */
  readonly offers?: boolean;
  /** True when the pages follow on others that are stored: without these they are refused as `unavailable`. Default false. */
  readonly goesOn?: boolean;
}

/** A snapshot that was interrupted, or is still to be asked for: where its tail begins and where it goes on. */
export interface UnfinishedSnapshot {
  readonly at: Cursor;
  /** Null: from its first page. */
  readonly cursor: SnapshotCursor | null;
  /** The only tables that are wanted, because this replica was upgraded and had no place for their rows before; null: all. */
  readonly tables: readonly string[] | null;
}

export interface SnapshotCursor {
  readonly tableIndex: number;
  readonly afterKey: readonly string[] | null;
}

/**
 * What the session shell needs of a replica's database. `SqlReplicaStorage` is the real one; the simulator has one in
 * memory. Every method that writes is one transaction, durable when its promise resolves.
 */
export interface ReplicaStorage {
  /** The head of each of the given tenants' logs; a log that does not exist yet is created at position 0. */
  heads(tenants: readonly string[]): Promise<readonly LogHead[]>;
  /** How far we have applied the logs of this peer; nothing of a log whose rows have to be filled anew. */
  receivedCursors(peer: string): Promise<readonly Cursor[]>;
  /** How far the peer has acknowledged our logs. */
  acknowledgedCursors(peer: string): Promise<readonly Cursor[]>;
  /** The grant under which the parent's rows came, as `grantText`; null before the first session. */
  grantedBy(peer: string, tenant: string): Promise<string | null>;
  /** Stores the parent's grant; true when another was in force, so that rows have to be filled and purged. */
  takeGrant(peer: string, tenant: string, granted: string): Promise<boolean>;
  /** Throws `behind-horizon` when commits after `after` were pruned. */
  readLog(request: ReadLogRequest): Promise<ReadSlice>;
  /** Of each of a node's logs, how far we have applied its own commits; logs of which we have none are left out. */
  chainPoints(node: string, logs: readonly LogLife[]): Promise<readonly ChainPoint[]>;
  /** The latest lives of our logs of these tenants that have ended, at most eight of each. */
  lives(tenants: readonly string[]): Promise<readonly EndedLife[]>;
  /**
   * Looks at what a child says that it has of our logs. Returns those of which it has commits that this database does not have any
   * more, by proof; their logs have begun a new incarnation then, and the child is asked to offer what it has.
   */
  findLost(
    peer: string,
    child: { readonly received: readonly Cursor[]; readonly heads: readonly LogHead[] },
  ): Promise<readonly string[]>;
  /** What our logs of these tenants hold no more; a log that holds everything is left out. */
  horizons(tenants: readonly string[]): Promise<readonly LogHorizon[]>;
  /** What tells this database from others that were copied from the same one; null while no copy is known. */
  copyId(): Promise<string | null>;
  /** The name under which a copy of a child's node is known here; makes it known. Throws `limit-reached` when there are too many. */
  peerOfCopy(tenant: string, node: string, copy: string): Promise<string>;
  /**
   * Compares what the parent has of our log with what we have. Returns the position after which to send, or why this database is not the
   * one that the parent knows: then the log has begun a new incarnation, and the session has to begin anew.
   */
  settleHistory(check: HistoryCheck): Promise<number | IncarnationCause>;
  /** The next part of a commit that `readLog` named `large`. Throws `behind-horizon` as that does. */
  readPart(request: ReadPartRequest): Promise<LogPart>;
  /** Throws `sequence-gap`, `content-hash`, `clock-ahead` or `history-diverged` when the slice as a whole cannot be taken. */
  apply(request: ApplyRequest): Promise<ApplyResult>;
  /**
   * Stores a part of a commit; part 0 replaces what was stored of the log before. With the last part the commit is applied as
   * `apply` would, and nothing of it was seen before. Null while parts are missing. Throws what `apply` throws, and
   * `frame-too-large` or `limit-reached` when a limit of staged commits is passed.
   */
  applyPart(request: ApplyPartRequest): Promise<ApplyResult | null>;
  /** What is stored of commits of which the last part has not come from this peer. */
  stagedCommits(peer: string): Promise<readonly StagedCommit[]>;
  /** Stores an acknowledgement; refused commits of our own go to quarantine and their truth is applied. */
  recordAcknowledgement(ack: AckRecord): Promise<void>;
  /** Per origin the highest seq that is known to have reached the top; for `settled` frames to children. */
  settledSeqs(tenant: string, origins: readonly string[]): Promise<readonly { readonly origin: string; readonly seq: number }[]>;
  /** Gives our still unacknowledged commits new stamps after a `clock-ahead`; returns how many. */
  restampUnacknowledged(peer: string, tenant: string): Promise<number>;
  /** A page of a snapshot for a child: rows in its grant and its tier's retention. Null after the last. */
  readSnapshot(
    grant: Grant,
    tenant: string,
    cursor: SnapshotCursor | null,
    bytesMax: number,
    other?: SnapshotPeer,
  ): Promise<SnapshotChunk | null>;
  /**
   * Applies pages of one snapshot that follow one another, and remembers where to go on, so that an interrupted snapshot resumes. `ownAfter` is the position of our own
   * log that the peer certainly had when it read the pages; without it, what it has acknowledged by now. Later work of ours stays.
   */
  applySnapshot(
    peer: string,
    chunks: readonly SnapshotChunk[],
    at: Cursor,
    ownAfter?: number,
    other?: SnapshotPeer,
  ): Promise<void>;
  /** Where an unfinished snapshot from this peer stands, or null. One that a peer of another version began does not count. */
  unfinishedSnapshot(peer: string, tenant: string, peerVersion?: number): Promise<UnfinishedSnapshot | null>;
  /**
   * The snapshot is complete: the received cursor is `at`, and the log goes on from there. With `goesOn` its pages must be stored still, as
   * `SnapshotPeer` says.
   */
  finishSnapshot(peer: string, at: Cursor, goesOn?: boolean): Promise<void>;
}
