import path from "node:path";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { EDGE_VERSION } from "../daemon/edge-version.ts";
import { type BackupReport, keyOf } from "./backup-node.ts";
import { verifyBackup } from "./verify-backup.ts";

/** What was measured: whether the node's backups do what the customer needs. */
export interface DrillReport {
  readonly at: string;
  readonly version: string;
  readonly nodeId: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly imageBytes: number;
  readonly rows: number;
  readonly tables: number;
  readonly backupMs: number;
  readonly heldMs: number;
  readonly unpackMs: number;
  readonly checkMs: number;
  /** What a lost disk loses at most while the hub is away: from one backup's moment to the next one's end. */
  readonly rpoMs: number;
  /** From an empty machine with the backup at hand to a database that is checked and open. */
  readonly rtoMs: number;
  readonly met: boolean;
}

const MINUTE_MS = 60_000;
/** What the customer asks for. */
export const RPO_LIMIT_MS = 60 * MINUTE_MS;
export const RTO_LIMIT_MS = 120 * MINUTE_MS;
/** How many times better we hold ourselves to be. */
export const MARGIN = 10;

/**
 * Makes a backup by `backup`, restores it into a scratch directory, checks it by the sums of all tables, and measures. Throws what a backup
 * and its check throw. `met` is false when one of the limits is not kept with the margin.
 */
export async function drill(
  config: EdgeConfig,
  backup: () => Promise<BackupReport>,
  scratch: string | null,
): Promise<DrillReport> {
  const { identities } = await keyOf(config, true);
  const made = await backup();
  const { manifest, unpackMs, checkMs } = await verifyBackup(made.file, identities, scratch ?? path.dirname(made.file));
  // Without a hub the schedule is all there is.
  const unsent = config.mode === "standalone" ? Number.POSITIVE_INFINITY : config["backup.unsent_minutes"];
  const everyMs = Math.min(config["backup.every_minutes"], unsent) * MINUTE_MS;
  const [rpoMs, rtoMs] = [everyMs + made.tookMs, unpackMs + checkMs];
  const sums = manifest.tables ?? [];
  return {
    at: new Date().toISOString(),
    version: EDGE_VERSION,
    nodeId: manifest.nodeId,
    file: made.file,
    sizeBytes: made.sizeBytes,
    imageBytes: manifest.bytes,
    rows: sums.reduce((total, { rows }) => total + Number(rows), 0),
    tables: sums.length,
    backupMs: made.tookMs,
    heldMs: made.heldMs,
    unpackMs,
    checkMs,
    rpoMs,
    rtoMs,
    met: rpoMs * MARGIN <= RPO_LIMIT_MS && rtoMs * MARGIN <= RTO_LIMIT_MS,
  };
}
