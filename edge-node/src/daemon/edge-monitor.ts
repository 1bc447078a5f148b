import { type Clock, digestTables, type NodeIdentity, type Replica, type SignedReport, type TableDigest } from "@hayloft/engine";
import { farmCatalog, type FarmRows } from "@hayloft/schema";
import type { BackupKeeper } from "../backup/backup-keeper.ts";
import type { Broker } from "../broker/mqtt-message.ts";
import type { EdgeMetrics } from "../http/edge-metrics.ts";
import type { JournalPort } from "../http/journal-routes.ts";
import type { ReviewPort } from "../http/review-routes.ts";
import type { EdgePort } from "../http/edge-routes.ts";
import type { Ingress } from "../ingress/ingress.ts";
import { listRefused } from "../ingress/refused-messages.ts";
import { blockOnSite, listBlocks, unblockOnSite } from "../ingress/site-blocks.ts";
import type { JobRunner } from "../jobs/job-runner.ts";
import type { MediaStore } from "../media/media-store.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { damagedStores } from "./damaged-stores.ts";
import type { EdgeStatus, Readiness } from "./edge-status.ts";
import { EDGE_VERSION } from "./edge-version.ts";
import { EdgeQuarantine } from "./quarantine.ts";
import { withinMs } from "./within-ms.ts";

export interface MonitorParts {
  readonly config: EdgeConfig;
  readonly identity: NodeIdentity;
  readonly tenant: string;
  readonly replica: Replica<FarmRows>;
  readonly broker: Broker;
  readonly ingress: Ingress;
  readonly jobs: JobRunner;
  readonly transfers: JobRunner;
  readonly backupRuns: JobRunner;
  readonly media: MediaStore;
  readonly backups: BackupKeeper;
  readonly metrics: EdgeMetrics;
  readonly clock: Clock;
}

/** Readiness is answered within 2 s, also when the database hangs. */
const DATABASE_ANSWER_MS = 1500;
/** Thirty days are enough to renew a certificate on site. */
const CERTIFICATE_WARN_MS = 30 * 86_400_000;
const NOTHING_WAITING = { commits: 0, rows: 0, bytes: 0, oldestAgeMs: 0 };

/** Says that the own broker's certificate ends soon or has ended. Devices that check it stay away then; the barn goes on. */
function certificateProblem(endsMs: number | null, nowMs: number): string | null {
  if (endsMs === null || endsMs - nowMs > CERTIFICATE_WARN_MS) return null;
  const day = new Date(endsMs).toISOString().slice(0, 10);
  return endsMs <= nowMs ? `broker.tls_cert_file: expired on ${day}` : `broker.tls_cert_file: expires on ${day}`;
}

/** What can be asked of a running daemon, and the few things that can be changed on site. */
export class EdgeMonitor implements EdgePort {
  readonly #parts: MonitorParts;
  readonly #startedMs: number;
  readonly quarantine: EdgeQuarantine;
  readonly journal: JournalPort;
  readonly reviews: ReviewPort;
  readonly backups: BackupKeeper;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.quarantine = new EdgeQuarantine(parts.replica.quarantine, parts.tenant);
    const { replica, tenant } = parts;
    this.journal = {
      tenant,
      journal: replica.journal,
      explain: async (table, key, column) => await replica.explain(table, key, column),
    };
    this.reviews = { tenant, reviews: replica.reviews };
    this.backups = parts.backups;
    this.#startedMs = parts.clock.nowMs();
  }

  async readiness(): Promise<Readiness> {
    const { replica, broker, ingress, config, clock } = this.#parts;
    const problems: Readiness["problems"][number][] = [];
    const database = await withinMs(DATABASE_ANSWER_MS, replica.database.query("select 1"));
    if (!database.ok) problems.push({ part: "database", problem: database.problem });
    else if (ingress.problem !== null) problems.push({ part: "database", problem: ingress.problem });
    const mqtt = broker.problem();
    if (mqtt !== null) problems.push({ part: "mqtt", problem: mqtt });
    const degraded: Readiness["degraded"][number][] = [];
    const certificate = certificateProblem(broker.certificateEndsMs, clock.nowMs());
    if (certificate !== null) degraded.push({ part: "mqtt", problem: certificate });
    const backup = this.backups.problem(clock.nowMs());
    if (backup !== null) degraded.push({ part: "backup", problem: backup });
    for (const kept of damagedStores(config.data_dir)) degraded.push({ part: "store", problem: `damaged, kept in ${kept}` });
    if (config.mode !== "standalone" && database.ok) {
      const status = await withinMs(DATABASE_ANSWER_MS, replica.status());
      const parent = status.ok ? status.value.peers.find((peer) => peer.relation === "parent") : undefined;
      if (parent?.connected !== true) degraded.push({ part: "hub", problem: parent?.lastError?.code ?? "not connected" });
    }
    return { ready: problems.length === 0, problems, degraded };
  }

  async status(): Promise<EdgeStatus> {
    const { config, identity, tenant, replica, broker, ingress, jobs, transfers, backupRuns, media, clock } = this.#parts;
    const [ready, status] = [await this.readiness(), await replica.status()];
    return {
      version: EDGE_VERSION,
      nodeId: identity.nodeId,
      tenant,
      mode: config.mode,
      atMs: clock.nowMs(),
      startedMs: this.#startedMs,
      ready,
      durability: status.durability,
      filling: status.filling,
      comparison: status.comparison,
      backlog: status.peers.find((peer) => peer.relation === "parent")?.backlog ?? NOTHING_WAITING,
      quarantined: status.quarantined,
      held: status.held.map(({ code, count, oldest }) => ({ code, count, oldestMs: oldest.getTime() })),
      peers: status.peers,
      mqtt: { url: broker.url, connections: broker.connections(), certificateEndsMs: broker.certificateEndsMs },
      ingress: ingress.counts(),
      jobs: [...jobs.states, ...transfers.states, ...backupRuns.states],
      media: await media.figures(),
      backup: this.backups.figures,
      damagedStores: damagedStores(config.data_dir).length,
    };
  }

  async metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    const { replica, metrics } = this.#parts;
    const size = await withinMs(
      DATABASE_ANSWER_MS,
      replica.database.query<{ bytes: number }>("select pg_database_size(current_database()) as bytes"),
    );
    const bytes = size.ok ? (size.value.rows[0]?.bytes ?? null) : null;
    return { contentType: metrics.contentType, text: await metrics.text(await this.status(), bytes) };
  }

  digests(): Promise<readonly TableDigest[]> {
    const held = farmCatalog.tables.filter(
      ({ flow, rule, retain }) => flow !== "local" && flow !== "top" && rule.kind !== "derived" && "edge" in retain,
    );
    return digestTables(
      this.#parts.replica.database,
      farmCatalog,
      this.#parts.tenant,
      held.map(({ name }) => name),
    );
  }

  verify(): Promise<SignedReport> {
    return this.#parts.replica.verify();
  }

  refused(limit: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return listRefused(this.#parts.replica.database, limit);
  }

  blocks(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return listBlocks(this.#parts.replica.database);
  }

  block(kind: "device" | "station", id: string, reason: string | null): Promise<void> {
    const { replica, tenant, identity } = this.#parts;
    return blockOnSite(replica.database, { tenant, nodeId: identity.nodeId, kind, id, reason });
  }

  unblock(kind: "device" | "station", id: string): Promise<boolean> {
    const { replica, tenant, identity } = this.#parts;
    return unblockOnSite(replica.database, { tenant, nodeId: identity.nodeId, kind, id, reason: null });
  }
}
