import type { ComparisonOptions, TableComparison } from "../digest/compare-with-parent.ts";
import type { AskingChild } from "../digest/answer-comparison.ts";
import type { RangeAnswer, RangeQuestion, RepairAnswer, RepairRequest, RowAnswer, RowQuestion } from "../digest/comparison.ts";
import type { NodeIdentity } from "../identity/node-identity.ts";
import type { Moment } from "../session/moment.ts";
import type { RegisteredNode, SettledSeq } from "../session/session-event.ts";
import type { Log } from "./log-event.ts";
import type { ReplicaStorage } from "./replica-storage.ts";

/** A node as the registry has it. */
export interface NodeRecord extends RegisteredNode {
  readonly publicKey: Uint8Array;
}

export interface NodeKey {
  readonly tenant: string;
  readonly node: string;
}

/** The registry of enrolled nodes. */
export interface NodeRegistry {
  /** The node when it is enrolled in that tenant and not revoked, else null. */
  find(key: NodeKey): Promise<NodeRecord | null>;
  /** Those of the given nodes that are still active, each with its present key and grant. */
  active(keys: readonly NodeKey[]): Promise<readonly NodeRecord[]>;
}

/** What is noted about a peer for people to see; nothing depends on it. */
export interface PeerNote extends NodeKey {
  readonly relation: "parent" | "child";
  readonly skewMs: number | null;
  readonly errorCode: string | null;
}

/** What a parent answers to a child that compares its rows with the parent's. */
export interface RowComparison {
  compareRanges(child: AskingChild, question: RangeQuestion): Promise<RangeAnswer>;
  compareRows(child: AskingChild, question: RowQuestion): Promise<RowAnswer>;
  takeRepair(child: AskingChild, request: RepairRequest): Promise<RepairAnswer>;
}

/** Time, and the timers made of it. */
export interface Timers {
  moment(): Moment;
  /** Calls `run` once after `ms`; returns the canceller. */
  after(ms: number, run: () => void): () => void;
}

/** Everything that replication needs from outside; the simulator brings its own. */
export interface SessionPorts {
  readonly identity: NodeIdentity;
  readonly storage: ReplicaStorage;
  readonly registry: NodeRegistry;
  readonly timers: Timers;
  /** Stores how far commits of these origins are known to be at the top. */
  readonly recordSettled: (tenant: string, origins: readonly SettledSeq[]) => Promise<void>;
  /**
   * Releases held commits whose cause is gone and reports what is held; absent where nothing is ever held. `untold`: children have
   * to be told of outcomes.
   */
  readonly tendHeld?: (tenant: string) => Promise<{ readonly untold: boolean }>;
  /** Compares rows with those of children; absent: children are not offered it. */
  readonly comparison?: RowComparison;
  /** Compares our rows with those of a parent; absent: they are not. */
  readonly compareWithParent?: (
    options: Omit<ComparisonOptions, "database" | "env" | "nowMs">,
  ) => Promise<readonly TableComparison[]>;
  readonly notePeer: (note: PeerNote) => Promise<void>;
  /** By how much our clock was ahead of the parent's before this start; absent: not at all. */
  readonly clockAheadMs?: () => Promise<number>;
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
  readonly randomBytes: (count: number) => Uint8Array;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly log: Log;
}

const steadyClock = (): number => performance.now();

/** Timers of this process, with the given wall clock. */
export const systemTimers = (nowMs: () => number): Timers => ({
  moment: () => ({ nowMs: nowMs(), steadyMs: steadyClock() }),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
});
