import type { Catalog, RowsOf } from "../catalog/catalog.ts";
import type { Change } from "../commit/commit.ts";
import type { Clock } from "../clock/clock.ts";
import type { NodeIdentity } from "../identity/node-identity.ts";
import type { Backoff } from "../link/backoff.ts";
import type { Dial } from "../link/link.ts";
import type { AskedCommit } from "../receipt/read-receipt.ts";
import type { QuarantineHook } from "../quarantine/quarantine-action.ts";
import type { QuarantineLimits } from "../quarantine/quarantine-limits.ts";
import type { SessionLimits } from "../session/session-limits.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { AdmittedTenants } from "./admitting-registry.ts";
import type { Log } from "./log-event.ts";
import type { ComparisonPace } from "./parent-comparison.ts";
import type { Replica } from "./replica.ts";

/** Where a replica dials to, and who must answer there. */
export interface ParentAddress {
  /** `wss://host:port/sync`; `ws://` only to this machine or with `insecure`. */
  readonly url: string;
  /** The parent's node id and raw Ed25519 public key. */
  readonly node: string;
  readonly publicKey: Uint8Array;
  /** PEM of the certificate authority to trust instead of the system's. */
  readonly ca?: string;
  /** Allow plain `ws://` to another machine. What is sent can then be read on the way. */
  readonly insecure?: boolean;
  /** Pauses between attempts to connect; default: from half a second up to a minute, each of random length. */
  readonly reconnect?: Backoff;
}

export interface OpenReplicaOptions<C extends Catalog> {
  readonly catalog: C;
  /** The application's migrations; the engine's own come before them. */
  readonly migrations: readonly { readonly name: string; readonly sql: string }[];
  readonly database: Database;
  readonly identity: NodeIdentity;
  readonly parent?: ParentAddress;
  /**
   * Commits of this identity whose receipts the application keeps outside of the database: where the database was taken away since, `lost`
   * tells which of them died with it.
   */
  readonly kept?: readonly AskedCommit[];
  /** True when the database began as an image of the parent: rows may be missing until the tail has come. */
  readonly filling?: boolean;
  /** Replaces the WebSocket that `parent.url` stands for. */
  readonly dial?: Dial;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Called per table and change in the transaction that applies a foreign commit. */
  readonly projections?: Readonly<Record<string, (tx: SqlSession, change: Change) => Promise<void>>>;
  readonly limits?: Partial<SessionLimits>;
  /** How often rows are compared with the parent's; default every 6 hours, in at most a twentieth of the time. */
  readonly comparison?: Partial<ComparisonPace>;
  /** What may be held for others, per tenant; default 10,000 commits and 64 MiB. */
  readonly quarantineLimits?: QuarantineLimits;
  /** Called in the transaction of each action on a held commit, for the application's audit entry. */
  readonly onQuarantineAction?: QuarantineHook;
  /**
   * Which tenants' children may have a session, for example those that are not suspended; asked when a child connects and
   * after each commit. Default: all. A session of a tenant that is no longer admitted ends; its node may try again.
   */
  readonly admittedTenants?: AdmittedTenants;
}

/**
 * Migrates the database, and starts replicating: dials the parent when one is given and takes children through
 * `serveChildren`. Throws what `migrate` throws, and `config-invalid` for a parent url that must not be used.
 */
export async function openReplica<C extends Catalog>(options: OpenReplicaOptions<C>): Promise<Replica<RowsOf<C>>> {
  const { startReplica } = await import("./running-replica.ts");
  return startReplica(options);
}
