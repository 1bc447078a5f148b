import { platform } from "#platform";
import type { Compilable, Kysely } from "kysely";
import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog, RowsOf } from "../catalog/catalog.ts";
import { sha256 } from "../commit/sha256.ts";
import { systemClock } from "../clock/clock.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { lostCommits, noteFormerLives } from "../incarnation/former-life.ts";
import { markSecretOf } from "../incarnation/position-mark.ts";
import { noticeRestore } from "../incarnation/notice-restore.ts";
import { type NodeIdentity, verifySignature } from "../identity/node-identity.ts";
import type { Dial, Link } from "../link/link.ts";
import { migrate } from "../migrate/migrate.ts";
import { defaultLimits } from "../protocol/limits.ts";
import { DIGEST_EXTENSION, type LocalSide } from "../session/local-side.ts";
import { defaultSessionLimits } from "../session/session-limits.ts";
import { kyselyOf } from "../store/kysely-database.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { explainRow } from "../explain/explain-row.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { Journal } from "../journal/journal.ts";
import { replicaJournal } from "../journal/replica-journal.ts";
import { replicaReviews } from "../review/replica-reviews.ts";
import type { Reviews } from "../review/review.ts";
import { type AskedCommit, type CommitReceipt, readReceipts } from "../receipt/read-receipt.ts";
import { receiptOfRow } from "../receipt/receipt-of-row.ts";
import { moveSafePositions } from "../log/safe-position.ts";
import { sealedCommit } from "../log/sealed-commit.ts";
import { signReport, type SignedReport } from "../digest/signed-report.ts";
import { ChildComparisons } from "./child-comparisons.ts";
import { clockAheadMs } from "./clock-ahead.ts";
import { commitReceipt } from "./commit-receipt.ts";
import type { CommitId, ReceiptSource } from "./commit-receipt.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import { LiveQueries } from "./live-queries.ts";
import { editDocument, type DocumentEdit, type DocumentPlace } from "./edit-document.ts";
import type { OpenReplicaOptions, ParentAddress } from "./open-replica.ts";
import { notePeer } from "./note-peer.ts";
import { defaultComparisonPace } from "./parent-comparison.ts";
import { PeerNetwork } from "./peer-network.ts";
import { readPeers } from "./read-status.ts";
import type { Receipt, Replica } from "./replica.ts";
import type { ReplicaStatus } from "./replica-status.ts";
import type { SessionPorts } from "./session-ports.ts";
import { systemTimers } from "./session-ports.ts";
import { AdmittingRegistry } from "./admitting-registry.ts";
import { SqlNodeRegistry } from "./sql-node-registry.ts";
import { SqlReplicaStorage } from "./sql-replica-storage.ts";

const defaultDrainMs = 1_000;

/** `openReplica` without the import of this file at its top; see there. */
export async function startReplica<C extends Catalog>(options: OpenReplicaOptions<C>): Promise<Replica<RowsOf<C>>> {
  const { catalog, migrations, database, identity, parent } = options;
  checkPlace(options);
  // Before anything is changed: a url that must not be used is a mistake of the configuration.
  const dial = options.dial ?? (parent === undefined ? null : await dialOf(parent));
  await migrate(database, { catalog, migrations, nodeId: identity.nodeId, tier: identity.tier });
  await database.query("update hayloft.replica set durability = $1 where durability is distinct from $1", [database.durability]);
  await noteFormerLives(database, options.kept ?? []);
  await noticeRestore(database, catalog.tiers[0] !== identity.tier, options.log);
  return new RunningReplica<RowsOf<C>>(options, parent === undefined || dial === null ? null : { ...parent, dial });
}

/** A replica that is not the top needs a tenant, and its tier must be one of the catalog's. */
function checkPlace({ catalog, identity, parent }: OpenReplicaOptions<Catalog>): void {
  const top = catalog.tiers[0] === identity.tier;
  if (!catalog.tiers.includes(identity.tier))
    throw new HayloftError("config-invalid", { setting: "identity.tier", tier: identity.tier });
  if (top && parent !== undefined)
    throw new HayloftError("config-invalid", { setting: "parent", reason: "the first tier has no parent" });
  if (!top && identity.tenant === null)
    throw new HayloftError("config-invalid", { setting: "identity.tenant", tier: identity.tier });
}

async function dialOf(parent: ParentAddress): Promise<Dial> {
  if (typeof process === "undefined") return (await import("../link/browser/browser-link.ts")).browserDial(parent);
  return (await import("../link/ws/ws-link.ts")).wsDial(parent);
}

class RunningReplica<Rows> implements Replica<Rows> {
  readonly db: Kysely<Rows>;
  readonly database: Database;
  readonly #catalog: Catalog;
  readonly #identity: { readonly nodeId: string; readonly tier: string };
  readonly #network: PeerNetwork;
  readonly #live: LiveQueries<Rows>;
  readonly #receipts: ReceiptSource;
  readonly quarantine: Quarantine;
  readonly journal: Journal;
  readonly reviews: Reviews;
  readonly #tenant: string | null;
  readonly #kept: readonly AskedCommit[];
  readonly #signer: NodeIdentity;
  readonly #children: ChildComparisons;
  #safeTotals: ReadonlyMap<string, number> = new Map();
  readonly #progress = new Set<() => void>();
  readonly #closed = new AbortController();
  readonly #unsubscribe: () => void;

  constructor(options: OpenReplicaOptions<Catalog>, parent: (ParentAddress & { readonly dial: Dial }) | null) {
    const { database, identity } = options;
    const storage = storageOf(options);
    const ports = portsOf(options, storage);
    this.#children = ports.comparison;
    this.quarantine = storage.quarantine;
    this.#tenant = identity.tenant;
    this.#kept = options.kept ?? [];
    this.#signer = identity;
    const receiptOf = (commit: CommitId): Receipt => this.receipt(commit);
    this.journal = replicaJournal({ database, catalog: options.catalog, tenant: identity.tenant, receiptOf });
    this.reviews = replicaReviews({ database, catalog: options.catalog, tenant: identity.tenant, receiptOf });
    this.database = database;
    this.db = kyselyOf<Rows>(database);
    this.#catalog = options.catalog;
    this.#identity = identity;
    this.#live = new LiveQueries(this.db, ports.timers, ports.log);
    const local = localSideOf(options);
    this.#network = new PeerNetwork({
      ports,
      local,
      tenant: identity.tenant,
      parent,
      filling: options.filling === true,
      pace: { ...defaultComparisonPace, ...options.comparison },
      onGrown: () => this.#live.changed(),
      onProgress: () => {
        for (const listener of this.#progress) listener();
      },
    });
    this.#receipts = {
      session: database,
      timers: ports.timers,
      hasParent: !local.top,
      closed: this.#closed.signal,
      onProgress: (listener) => {
        this.#progress.add(listener);
        return () => this.#progress.delete(listener);
      },
    };
    this.#unsubscribe = database.onWrite(() => {
      this.#network.wake();
      this.#live.changed();
    });
    this.#network.start();
  }

  async write<T>(
    work: (db: Kysely<Rows>, tx: SqlSession) => Promise<T>,
    options: { readonly author?: string } = {},
  ): Promise<{ readonly result: T; readonly receipt: Receipt | null }> {
    const { result, commit } = await this.database.transaction(async (tx) => {
      if (options.author !== undefined) await tx.query("select set_config('hayloft.author', $1, true)", [options.author]);
      const done = await work(kyselyOf<Rows>(tx), tx);
      return { result: done, commit: await sealedCommit(tx) };
    });
    return { result, receipt: commit === null ? null : this.receipt(commit) };
  }

  async editDocument(
    place: DocumentPlace,
    edit: DocumentEdit,
    options: { readonly author?: string } = {},
  ): Promise<Receipt | null> {
    const { receipt } = await this.write(async (_, tx) => await editDocument(tx, this.#catalog, place, edit), options);
    return receipt;
  }

  receipt(commit: CommitId): Receipt {
    return commitReceipt(this.#receipts, commit);
  }

  async receipts(commits: readonly AskedCommit[]): Promise<readonly CommitReceipt[]> {
    return await readReceipts(this.database, commits);
  }

  async lost(): Promise<readonly AskedCommit[] | null> {
    return await lostCommits(this.database, this.#kept);
  }

  async receiptOfRow(table: string, key: readonly string[], tenant?: string): Promise<CommitReceipt | null> {
    return await receiptOfRow(this.database, this.#catalog, { tenant: this.#tenantOf(tenant), table, key });
  }

  async explain(table: string, key: readonly string[], column: string | null = null, tenant?: string): Promise<Explanation> {
    return await explainRow(this.database, this.#catalog, { tenant: this.#tenantOf(tenant), table, key, column });
  }

  #tenantOf(tenant: string | undefined): string {
    const name = tenant ?? this.#tenant;
    if (name === null) throw new HayloftError("request-invalid", { part: "tenant", reason: "the top has many" });
    return name;
  }

  live<Row>(query: (db: Kysely<Rows>) => Compilable<Row>, onRows: (rows: readonly Row[]) => void): () => void {
    return this.#live.add(query, onRows);
  }

  async storedElsewhere(wal: string): Promise<void> {
    const totals = await moveSafePositions(this.database, wal);
    // Another process on this database may have moved them.
    for (const [tenant, total] of totals) if (this.#safeTotals.get(tenant) !== total) this.#network.tellOutcomes(tenant);
    this.#safeTotals = totals;
  }

  async status(): Promise<ReplicaStatus> {
    const peers = await readPeers(this.database, this.#network.peers());
    const held = await this.quarantine.count();
    const quarantined = held.reduce((sum, { count }) => sum + count, 0);
    const { durability } = this.database;
    const { nodeId, tier } = this.#identity;
    return {
      nodeId,
      tier,
      durability,
      peers,
      quarantined,
      held,
      filling: this.#network.filling,
      comparison: this.#network.comparison?.counts ?? null,
      healedForChildren: this.#children.healed,
      draining: this.#network.draining,
    };
  }

  async verify({ tables }: { readonly tables?: readonly string[] } = {}): Promise<SignedReport> {
    const comparison = this.#network.comparison;
    if (comparison === null) throw new HayloftError("unavailable", { reason: "no-parent" });
    return signReport(this.#signer, await comparison.run(1, tables ?? null));
  }

  accept(link: Link): void {
    this.#network.accept(link);
  }

  children(): ReturnType<Replica<Rows>["children"]> {
    return this.#network
      .peers()
      .flatMap(({ relation, tenant, node, name }) => (relation === "child" ? [{ tenant, node, name }] : []));
  }

  async drain(afterMs: number = defaultDrainMs): Promise<void> {
    await this.#network.drain(afterMs);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#unsubscribe();
    this.#live.stop();
    await this.#network.stop();
  }
}

function localSideOf({ catalog, identity, database, limits }: OpenReplicaOptions<Catalog>): LocalSide {
  return {
    node: identity.nodeId,
    tier: identity.tier,
    application: catalog.name,
    catalogVersion: catalog.version,
    catalogVersionOldest: catalog.oldestVersion,
    catalogHash: catalogHash(catalog),
    sharedTenant: catalog.sharedTenant,
    level: database.durability,
    top: catalog.tiers[0] === identity.tier,
    extensions: [DIGEST_EXTENSION],
    limits: { ...defaultSessionLimits, ...limits },
    frameBytesMax: defaultLimits.frameBytesMax,
  };
}

function storageOf(options: OpenReplicaOptions<Catalog>): SqlReplicaStorage {
  const { catalog, database, identity, clock = systemClock, projections, onQuarantineAction, quarantineLimits } = options;
  return new SqlReplicaStorage({
    database,
    catalog,
    nodeId: identity.nodeId,
    tier: identity.tier,
    hasParent: catalog.tiers[0] !== identity.tier,
    clock,
    ...(projections && { projections }),
    ...(onQuarantineAction && { onQuarantineAction }),
    markSecret: markSecretOf(identity, sha256),
    ...(quarantineLimits && { limits: { quarantine: quarantineLimits } }),
  });
}

function portsOf(
  { database, identity, clock = systemClock, log, admittedTenants }: OpenReplicaOptions<Catalog>,
  storage: SqlReplicaStorage,
): SessionPorts & { readonly comparison: ChildComparisons } {
  const registry = new SqlNodeRegistry(database);
  return {
    identity,
    storage,
    registry: admittedTenants === undefined ? registry : new AdmittingRegistry(registry, admittedTenants),
    timers: systemTimers(() => clock.nowMs()),
    recordSettled: async (tenant, origins) => await storage.recordSettled(tenant, origins),
    tendHeld: async (tenant) => await storage.tendHeld(tenant),
    comparison: new ChildComparisons(storage),
    compareWithParent: async (asked) => await storage.compareWithParent(asked),
    notePeer: async (note) => await notePeer(database, note),
    clockAheadMs: async () => await clockAheadMs(database),
    verify: verifySignature,
    randomBytes: (count) => platform.randomBytes(count),
    random: () => Math.random(),
    log: log ?? (() => undefined),
  };
}
