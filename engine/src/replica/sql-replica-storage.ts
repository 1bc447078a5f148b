import { beginApplying, replicaEnvironment, type Projections, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { applyPart } from "../apply/apply-part.ts";
import { applySlice } from "../apply/apply-slice.ts";
import { stagedCommits } from "../apply/staged-parts.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { CLOCK_AHEAD_MS_MAX } from "../clock/hybrid-clock.ts";
import { sha256, type Sha256 } from "../commit/sha256.ts";
import { chainPoints, logHorizons, logLives } from "../incarnation/chain-points.ts";
import { copyId, peerOfCopy } from "../incarnation/peer-of-copy.ts";
import { findLost } from "../incarnation/find-lost.ts";
import type { IncarnationCause } from "../incarnation/begin-incarnation.ts";
import { settleHistory } from "../incarnation/settle-history.ts";
import { logHeads } from "../log/log-heads.ts";
import { readLog } from "../log/read-log.ts";
import { readPart } from "../log/read-part.ts";
import { recordAcknowledgement, recordSettled, settledSeqs } from "../log/record-acknowledgement.ts";
import { restampUnacknowledged } from "../log/restamp.ts";
import { clockAheadMs } from "./clock-ahead.ts";
import type { QuarantineHook } from "../quarantine/quarantine-action.ts";
import type { QuarantineLimits } from "../quarantine/quarantine-limits.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import { type Released, releaseHeld } from "../quarantine/release-held.ts";
import { dueOf, reportHeld, reportsHeld } from "../quarantine/report-held.ts";
import { SqlQuarantine } from "../quarantine/sql-quarantine.ts";
import { applySnapshot, finishSnapshot, unfinishedSnapshot } from "../snapshot/apply-snapshot.ts";
import { answerRanges, answerRows, type AskingChild, takeRepair } from "../digest/answer-comparison.ts";
import { type ComparisonOptions, compareWithParent, type TableComparison } from "../digest/compare-with-parent.ts";
import type { RangeAnswer, RangeQuestion, RepairAnswer, RepairRequest, RowAnswer, RowQuestion } from "../digest/comparison.ts";
import { grantedBy, takeGrant } from "../scope/take-grant.ts";
import { readSnapshot } from "../snapshot/read-snapshot.ts";
import type { Database } from "../store/database.ts";
import type {
  AckRecord,
  ApplyPartRequest,
  ApplyRequest,
  ApplyResult,
  ChainPoint,
  Cursor,
  EndedLife,
  Grant,
  HistoryCheck,
  LogHead,
  LogHorizon,
  LogLife,
  LogPart,
  ReadLogRequest,
  ReadPartRequest,
  ReadSlice,
  ReplicaStorage,
  SnapshotChunk,
  SnapshotCursor,
  SnapshotPeer,
  UnfinishedSnapshot,
  StagedCommit,
} from "./replica-storage.ts";

export interface SqlReplicaStorageOptions {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly nodeId: string;
  readonly tier: string;
  /** True when this replica dials a parent: foreign commits are then kept in the log until the parent has them. */
  readonly hasParent: boolean;
  readonly clock?: Clock;
  readonly projections?: Projections;
  /** Replaces the portable sha256, for example by that of `node:crypto`. */
  readonly sha256?: Sha256;
  readonly limits?: { readonly clockAheadMsMax?: number; readonly quarantine?: QuarantineLimits };
  readonly onQuarantineAction?: QuarantineHook;
  /** What marks are made with; a secret that outlives the database. Without one nobody can prove that this database was set back. */
  readonly markSecret?: Uint8Array;
}

/** `ReplicaStorage` over a Postgres database, with the tables of schema `hayloft`. The same SQL on PGlite and servers. */
export class SqlReplicaStorage implements ReplicaStorage {
  readonly #database: Database;
  readonly #env: ReplicaEnvironment;
  readonly #clock: Clock;

  constructor(options: SqlReplicaStorageOptions) {
    const { catalog, nodeId, tier, hasParent } = options;
    this.#database = options.database;
    this.#clock = options.clock ?? systemClock;
    this.#env = replicaEnvironment({
      catalog,
      nodeId,
      tier,
      hasParent,
      projections: options.projections ?? {},
      sha256: options.sha256 ?? sha256,
      clockAheadMsMax: options.limits?.clockAheadMsMax ?? CLOCK_AHEAD_MS_MAX,
      ...(options.limits?.quarantine && { quarantineLimits: options.limits.quarantine }),
      ...(options.onQuarantineAction && { onQuarantineAction: options.onQuarantineAction }),
      ...(options.markSecret && { markKey: { secret: options.markSecret, sha256: options.sha256 ?? sha256 } }),
    });
  }

  /** The time as far as this replica knows: its own clock, less what that was ahead of the parent's when last measured. */
  async trueNowMs(): Promise<number> {
    return this.#clock.nowMs() - (this.#env.hasParent ? await clockAheadMs(this.#database) : 0);
  }

  async heads(tenants: readonly string[]): Promise<readonly LogHead[]> {
    return await logHeads(this.#database, tenants);
  }

  async receivedCursors(peer: string): Promise<readonly Cursor[]> {
    return await this.#cursors(peer, "received");
  }

  async acknowledgedCursors(peer: string): Promise<readonly Cursor[]> {
    return await this.#cursors(peer, "acked");
  }

  async grantedBy(peer: string, tenant: string): Promise<string | null> {
    return await grantedBy(this.#database, peer, tenant);
  }

  async takeGrant(peer: string, tenant: string, granted: string): Promise<boolean> {
    return await takeGrant(this.#database, peer, tenant, granted);
  }

  async chainPoints(node: string, logs: readonly LogLife[]): Promise<readonly ChainPoint[]> {
    return await chainPoints(this.#database, node, logs);
  }

  async lives(tenants: readonly string[]): Promise<readonly EndedLife[]> {
    return await logLives(this.#database, tenants);
  }

  async findLost(
    peer: string,
    child: { readonly received: readonly Cursor[]; readonly heads: readonly LogHead[] },
  ): Promise<readonly string[]> {
    return await findLost(this.#database, this.#env, peer, child);
  }

  async horizons(tenants: readonly string[]): Promise<readonly LogHorizon[]> {
    return await logHorizons(this.#database, tenants);
  }

  async copyId(): Promise<string | null> {
    return await copyId(this.#database);
  }

  async peerOfCopy(tenant: string, node: string, copy: string): Promise<string> {
    return await peerOfCopy(this.#database, tenant, node, copy);
  }

  async settleHistory(check: HistoryCheck): Promise<number | IncarnationCause> {
    return await settleHistory(this.#database, check);
  }

  async readLog(request: ReadLogRequest): Promise<ReadSlice> {
    return await readLog(this.#database, this.#env, request);
  }

  async apply(request: ApplyRequest): Promise<ApplyResult> {
    return await applySlice(this.#database, this.#env, request, await this.trueNowMs());
  }

  async readPart(request: ReadPartRequest): Promise<LogPart> {
    return await readPart(this.#database, this.#env, request);
  }

  async applyPart(request: ApplyPartRequest): Promise<ApplyResult | null> {
    return await applyPart(this.#database, this.#env, request, await this.trueNowMs());
  }

  async stagedCommits(peer: string): Promise<readonly StagedCommit[]> {
    return await stagedCommits(this.#database, peer);
  }

  async recordAcknowledgement(ack: AckRecord): Promise<void> {
    await recordAcknowledgement(this.#database, this.#env, ack);
  }

  async settledSeqs(
    tenant: string,
    origins: readonly string[],
  ): Promise<readonly { readonly origin: string; readonly seq: number }[]> {
    return await settledSeqs(this.#database, this.#env, tenant, origins);
  }

  /** Takes in a parent's `settled` frame: commits of these origins are at the top up to `seq`. */
  async recordSettled(tenant: string, origins: readonly { readonly origin: string; readonly seq: number }[]): Promise<void> {
    await recordSettled(this.#database, tenant, origins);
  }

  /** What is held here, and what people do with it. */
  get quarantine(): Quarantine {
    return new SqlQuarantine(this.#database, this.#env);
  }

  /**
   * Applies held commits whose cause is gone; returns how many. Applying foreign commits looks at those that it may have set free;
   * this looks at all, and is called when a log has grown by local writes and every now and then.
   */
  async releaseHeld(tenant: string): Promise<number> {
    let count = 0;
    for (let after: string | null = null, again = true; again;) {
      const released: Released = await this.#database.transaction(async (tx) => {
        await beginApplying(tx);
        return await releaseHeld(tx, this.#env, tenant, after);
      });
      count += released.count;
      after = released.next;
      again = after !== null;
    }
    return count;
  }

  /**
   * Looks after what is held of a tenant: releases what can be released, and reports what has changed upward. `untold`: children
   * have to be told of outcomes. One small query while nothing is to be done.
   */
  async tendHeld(tenant: string): Promise<{ readonly untold: boolean }> {
    const due = await dueOf(this.#database, tenant);
    if (due.retryable) await this.releaseHeld(tenant);
    if (reportsHeld(this.#env) && (due.retryable || due.unreported)) {
      for (let reported = 1; reported > 0;)
        reported = await this.#database.transaction(async (tx) => await reportHeld(tx, this.#env, tenant));
    }
    return { untold: due.retryable ? (await dueOf(this.#database, tenant)).untold : due.untold };
  }

  async restampUnacknowledged(peer: string, tenant: string): Promise<number> {
    return await restampUnacknowledged(this.#database, this.#env, peer, tenant, this.#clock.nowMs());
  }

  async readSnapshot(
    grant: Grant,
    tenant: string,
    cursor: SnapshotCursor | null,
    bytesMax: number,
    other: SnapshotPeer = {},
  ): Promise<SnapshotChunk | null> {
    const nowMs = this.#clock.nowMs();
    const peer = { peerVersion: this.#env.lens.version, tables: null, offers: false, goesOn: false, ...other };
    return await readSnapshot(this.#database, this.#env, { grant, tenant, cursor, bytesMax, nowMs, ...peer });
  }

  async applySnapshot(
    peer: string,
    chunks: readonly SnapshotChunk[],
    at: Cursor,
    ownAfter?: number,
    other: SnapshotPeer = {},
  ): Promise<void> {
    const from = { peerVersion: this.#env.lens.version, tables: null, offers: false, goesOn: false, ...other };
    await applySnapshot(this.#database, this.#env, { peer, chunks, at, ownAfter: ownAfter ?? null, ...from });
  }

  async unfinishedSnapshot(
    peer: string,
    tenant: string,
    peerVersion: number = this.#env.lens.version,
  ): Promise<UnfinishedSnapshot | null> {
    return await unfinishedSnapshot(this.#database, peer, tenant, peerVersion);
  }

  async finishSnapshot(peer: string, at: Cursor, goesOn = false): Promise<void> {
    await finishSnapshot(this.#database, this.#env, { peer, at, goesOn });
  }

  /** Which ranges of a child's rows are otherwise here. */
  async compareRanges(child: AskingChild, question: RangeQuestion): Promise<RangeAnswer> {
    return await answerRanges(this.#database, this.#env, child, question);
  }

  /** What is here of rows of which a child has told the digests. */
  async compareRows(child: AskingChild, question: RowQuestion): Promise<RowAnswer> {
    return await answerRows(this.#database, this.#env, child, question, await this.trueNowMs());
  }

  /** Sets rows right that a child says are damaged here. */
  async takeRepair(child: AskingChild, request: RepairRequest): Promise<RepairAnswer> {
    return await takeRepair(this.#database, this.#env, child, request, await this.trueNowMs());
  }

  /** Compares our rows with the parent's and sets right what differs. */
  async compareWithParent(options: Omit<ComparisonOptions, "database" | "env" | "nowMs">): Promise<readonly TableComparison[]> {
    return await compareWithParent({ ...options, database: this.#database, env: this.#env, nowMs: await this.trueNowMs() });
  }

  async #cursors(peer: string, kind: "received" | "acked"): Promise<readonly Cursor[]> {
    const { rows } = await this.#database.query<Omit<Cursor, "mark"> & { readonly mark: Uint8Array | null }>(
      `select tenant_id as tenant, ${kind}_incarnation as incarnation, ${kind}_position as position,
        ${kind === "received" ? "received_mark" : "null::bytea"} as mark from hayloft.peer
      where node_id = $1::uuid and ${kind}_incarnation is not null and ${kind}_position is not null${kind === "received" ? " and not refill_due" : ""}`,
      [peer],
    );
    return rows.map(({ mark, ...cursor }) => (mark === null ? cursor : { ...cursor, mark }));
  }
}
