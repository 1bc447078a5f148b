import type { ComparisonCounts, PeerStatus } from "@hayloft/engine";
import type { BackupFigures } from "../backup/backup-keeper.ts";
import type { IngressCounts } from "../ingress/ingress-counters.ts";
import type { JobState } from "../jobs/job-runner.ts";
import type { MediaStatus } from "../media/media-store.ts";

/** Everything the status page, the `status` command and the metrics show. Identifiers and numbers only. */
export interface EdgeStatus {
  readonly version: string;
  readonly nodeId: string;
  readonly tenant: string;
  readonly mode: string;
  readonly atMs: number;
  readonly startedMs: number;
  readonly ready: Readiness;
  readonly durability: string;
  readonly filling: boolean;
  /** What waits for the hub: the first number to look at. Zero in mode standalone. */
  readonly backlog: { readonly commits: number; readonly rows: number; readonly bytes: number; readonly oldestAgeMs: number };
  /** What comparing rows with the hub's has shown since the start; null in mode standalone. */
  readonly comparison: ComparisonCounts | null;
  readonly quarantined: number;
  /** The same by reason, with the time of the oldest. */
  readonly held: readonly { readonly code: string; readonly count: number; readonly oldestMs: number }[];
  readonly peers: readonly PeerStatus[];
  readonly mqtt: {
    readonly url: string;
    readonly connections: number | null;
    /** When the own broker's certificate ends; null without one. */
    readonly certificateEndsMs: number | null;
  };
  readonly ingress: IngressCounts;
  readonly jobs: readonly JobState[];
  readonly media: MediaStatus;
  readonly backup: BackupFigures;
  /** Damaged databases that are kept aside until somebody deletes them. */
  readonly damagedStores: number;
}

/** Whether the site works. `degraded` lists what is missing but not needed here: a barn without a link is healthy. */
export interface Readiness {
  readonly ready: boolean;
  readonly problems: readonly { readonly part: "database" | "mqtt"; readonly problem: string }[];
  readonly degraded: readonly { readonly part: "hub" | "mqtt" | "backup" | "store"; readonly problem: string }[];
}
