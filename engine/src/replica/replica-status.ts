import type { HeldCount } from "../quarantine/held-commit.ts";
import type { ComparisonCounts } from "./parent-comparison.ts";
import type { Cursor } from "./replica-storage.ts";

/** What waits here for a peer to acknowledge. */
export interface Backlog {
  readonly commits: number;
  readonly rows: number;
  readonly bytes: number;
  /** Age of the oldest waiting commit in milliseconds; 0 when nothing waits. */
  readonly oldestAgeMs: number;
}

export interface PeerStatus {
  readonly node: string;
  readonly relation: "parent" | "child";
  readonly connected: boolean;
  /** The session's phase, or `waiting` between two attempts. */
  readonly state: string;
  /** How far we have applied the peer's logs. */
  readonly received: readonly Cursor[];
  /** How far the peer has acknowledged ours. */
  readonly acknowledged: readonly Cursor[];
  readonly backlog: Backlog;
  readonly lastError: { readonly code: string; readonly atMs: number } | null;
  /** The peer's clock minus ours in milliseconds; null before it was measured. */
  readonly skewMs: number | null;
  readonly lastContactMs: number | null;
}

export interface ReplicaStatus {
  readonly nodeId: string;
  readonly tier: string;
  readonly durability: string;
  readonly peers: readonly PeerStatus[];
  /** Commits that are held here, for others or of our own. */
  readonly quarantined: number;
  /** The same by tenant and code, with the time of the oldest. */
  readonly held: readonly HeldCount[];
  /** True while a first snapshot and its tail are still coming in: rows may be missing. */
  readonly filling: boolean;
  readonly draining: boolean;
  /** What comparing rows with the parent's has shown since the start; null without a parent. */
  readonly comparison: ComparisonCounts | null;
  /** Rows of ours that were set right because a child compared, since the start. */
  readonly healedForChildren: number;
}
