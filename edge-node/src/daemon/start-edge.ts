import type { Clock, Database, HayloftError, NodeIdentity, Replica } from "@hayloft/engine";
import path from "node:path";
import { type ComparisonPace, openReplica, systemClock } from "@hayloft/engine";
import { checkpointWhenDue, keepControl, usesKeptCode, vacuumWhenDue } from "@hayloft/engine/pglite";
import { serveChildren } from "@hayloft/engine/ws";
import type { FarmRows } from "@hayloft/schema";
import { auditQuarantine, farmCatalog, farmMigrations } from "@hayloft/schema";
import { BackupKeeper } from "../backup/backup-keeper.ts";
import { PGDATA } from "../backup/make-backup.ts";
import { refuseUnfinishedRestore } from "../backup/restore-backup.ts";
import { startEmbeddedBroker } from "../broker/embedded-broker.ts";
import type { Broker } from "../broker/mqtt-message.ts";
import { EdgeMetrics } from "../http/edge-metrics.ts";
import { edgeRoutes } from "../http/edge-routes.ts";
import type { EdgeHttpServer } from "../http/http-server.ts";
import { startHttpServer } from "../http/http-server.ts";
import { Ingress } from "../ingress/ingress.ts";
import { edgeJobs } from "../jobs/edge-jobs.ts";
import { type Job, JobRunner } from "../jobs/job-runner.ts";
import { MediaStore } from "../media/media-store.ts";
import { mediaRoutes } from "../media/media-routes.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import type { EdgeLog } from "./edge-log.ts";
import { createEdgeLog, engineLog, errorFields } from "./edge-log.ts";
import { EdgeMonitor } from "./edge-monitor.ts";
import { EDGE_VERSION } from "./edge-version.ts";
import { openIdentity } from "./open-identity.ts";
import { type OpenedStore, openStore, type StoreParts } from "./open-store.ts";

/** Replaces parts of the daemon, for tests and demos. */
export interface EdgePorts {
  readonly clock?: Clock;
  readonly log?: EdgeLog;
  /** Called once when the database can no longer be used; the daemon has to be started again. */
  readonly onFatal?: (error: HayloftError) => void;
  /** An opened database instead of the one in `data_dir`; it is closed with the daemon. */
  readonly database?: Database;
}

/** A running edge daemon. */
export interface Edge {
  readonly mqttUrl: string;
  readonly httpUrl: string;
  readonly identity: NodeIdentity;
  readonly replica: Replica<FarmRows>;
  readonly monitor: EdgeMonitor;
  /** Runs the housekeeping that is due by the clock now, instead of waiting for its turn. */
  runJobs(): Promise<void>;
  /** Takes no more messages, finishes those it has, and closes everything. Idempotent. */
  stop(): Promise<void>;
}

const JOB_POLL_MS = 100;
const CHECKPOINT_MS = 15_000;
const VACUUM_MS = 60_000;
const HOUR_MS = 3_600_000;

/**
 * Starts the edge daemon: database, replica, broker, ingress, housekeeping, HTTP. When it resolves, devices can publish. What
 * had started is stopped again when a later part fails. Throws `config-invalid`, `identity-invalid`, `store-locked` and what
 * the engine throws when it opens.
 */
export async function startEdge(config: EdgeConfig, ports: EdgePorts = {}): Promise<Edge> {
  const opened: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const close of opened.splice(0).toReversed()) await close();
  };
  try {
    const edge = await startParts(config, ports, (close) => opened.push(close));
    let stopping: Promise<void> | null = null;
    return { ...edge, stop: () => (stopping ??= stopAll()) };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function startParts(
  config: EdgeConfig,
  ports: EdgePorts,
  onStop: (close: () => Promise<void>) => void,
): Promise<Omit<Edge, "stop">> {
  const clock = ports.clock ?? systemClock;
  const log = ports.log ?? createEdgeLog(config, EDGE_VERSION);
  const metrics = new EdgeMetrics();
  refuseUnfinishedRestore(config.data_dir);
  const { identity, tenant, parent } = await openIdentity(config);
  const parts = { config, identity, tenant, parent, log, onFatal: ports.onFatal };
  const { database, fromImage } = await openDatabase(parts, ports);
  onStop(() => database.close());
  const replica = await openNode(parts, clock, { database, fromImage });
  onStop(() => replica.close());
  const ingress = createIngress(config, { database, tenant, clock, log, metrics });
  onStop(() => ingress.close());
  const media = await MediaStore.open({ config, database, replica, tenant, identity, parent, clock });
  const jobs = await startJobs(config, { database, tenant, clock, log, metrics }, ingress, media);
  onStop(() => jobs.stop());
  const transfers = startRunner(clock, media.transferJobs(), { log, metrics });
  onStop(() => transfers.stop());
  const backup = await startBackups(config, { database, tenant, clock, log, metrics }, replica, identity.nodeId);
  onStop(() => backup.backupRuns.stop());
  onStop(async () => media.stopTransfer());
  const broker = await startBroker(config, identity.nodeId, ingress, log);
  onStop(() => broker.close());
  const monitor = new EdgeMonitor({
    config,
    identity,
    tenant,
    replica,
    broker,
    ingress,
    jobs,
    transfers,
    media,
    ...backup,
    metrics,
    clock,
  });
  const http = await startHttpServer(config, [...edgeRoutes(monitor), ...mediaRoutes(media)]);
  onStop(() => closeHttp(http, replica));
  if (config["children.listen"]) {
    const children = serveChildren(replica, { server: http.server, origins: config["children.origins"] });
    onStop(() => children.close());
  }
  log.write("info", "edge-started", {
    nodeId: identity.nodeId,
    tenant,
    mqtt: broker.url,
    http: http.url,
    durability: database.durability,
    keptCode: usesKeptCode(),
  });
  const runJobs = async (): Promise<void> => {
    await jobs.runDue();
    await transfers.runDue();
    await backup.backupRuns.runDue();
  };
  return { mqttUrl: broker.url, httpUrl: http.url, identity, replica, monitor, runJobs };
}

interface Parts {
  readonly database: Database;
  readonly tenant: string;
  readonly clock: Clock;
  readonly log: EdgeLog;
  readonly metrics: EdgeMetrics;
}

const openDatabase = async (parts: StoreParts, { database }: EdgePorts): Promise<OpenedStore> =>
  database === undefined ? await openStore(parts) : { database, fromImage: false };

const openNode = async (
  { config, identity, parent, log }: StoreParts,
  clock: Clock,
  { database, fromImage }: OpenedStore,
): Promise<Replica<FarmRows>> =>
  await openReplica({
    catalog: farmCatalog,
    migrations: farmMigrations,
    database,
    identity,
    clock,
    log: engineLog(log),
    onQuarantineAction: auditQuarantine,
    filling: fromImage,
    ...(parent === null ? {} : { parent, comparison: paceOf(config) }),
  });

async function startJobs(
  config: EdgeConfig,
  { database, tenant, clock, log, metrics }: Parts,
  ingress: Ingress,
  media: MediaStore,
): Promise<JobRunner> {
  const jobs = edgeJobs({
    database,
    tenant,
    pastHoursMax: config["ingress.past_hours_max"],
    refusedRowsMax: config["ingress.refused_rows_max"],
    ackedChangeDays: config["retention.acked_change_days"],
    hasParent: config.mode !== "standalone",
    onPruned: (commits) => metrics.retentionDeleted("hayloft.commit", commits),
    onDedupeDeleted: (count) => metrics.dedupeDeleted(count),
    onIncomplete: (count) => log.write("warn", "sessions-incomplete", { count }),
  });
  const runner = new JobRunner(clock, [...jobs, ...media.jobs()], onJobFailed({ log, metrics }), () => ingress.groupWaits);
  // Before the first reading comes; the rest of the housekeeping is nothing to wait for.
  await runner.runDue("partitions");
  runner.start(JOB_POLL_MS);
  return runner;
}

/** Work that takes long and little of the database's time has a runner of its own, so that housekeeping goes on meanwhile. */
function startRunner(clock: Clock, jobs: readonly Job[], parts: Pick<Parts, "log" | "metrics">): JobRunner {
  const runner = new JobRunner(clock, jobs, onJobFailed(parts));
  runner.start(JOB_POLL_MS);
  return runner;
}

async function startBackups(
  config: EdgeConfig,
  { database, tenant, clock, log, metrics }: Parts,
  replica: Replica<FarmRows>,
  nodeId: string,
): Promise<{ readonly backups: BackupKeeper; readonly backupRuns: JobRunner }> {
  const unsentAgeMs = async (): Promise<number> =>
    (await replica.status()).peers.find(({ relation }) => relation === "parent")?.backlog.oldestAgeMs ?? 0;
  const backups = await BackupKeeper.open({ config, database, nodeId, tenant, clock, log, unsentAgeMs });
  // A checkpoint takes away the log that a backup which is being made still needs.
  const checkpoint: Job = {
    name: "checkpoint",
    everyMs: CHECKPOINT_MS,
    run: async () => {
      const made = !backups.figures.running && (await checkpointWhenDue(database));
      if (made) keepControl(path.join(config.data_dir, PGDATA));
      return { done: made ? 1 : 0, more: false };
    },
  };
  const vacuum: Job = {
    name: "vacuum",
    everyMs: VACUUM_MS,
    run: async () => {
      const table = backups.figures.running ? null : await vacuumWhenDue(database);
      return { done: table === null ? 0 : 1, more: table !== null };
    },
  };
  return { backups, backupRuns: startRunner(clock, [checkpoint, vacuum, ...backups.jobs()], { log, metrics }) };
}

const onJobFailed =
  ({ log, metrics }: Pick<Parts, "log" | "metrics">) =>
  (job: string, error: unknown): void => {
    metrics.jobFailed(job);
    log.write("error", "job-failed", { job, ...errorFields(error) });
  };

function createIngress(config: EdgeConfig, { database, tenant, clock, log, metrics }: Parts): Ingress {
  return new Ingress({
    database,
    tenant,
    clock,
    settings: {
      dedupeTtlMs: config["ingress.dedupe_ttl_hours"] * HOUR_MS,
      envelope: {
        messageBytesMax: config["ingress.message_bytes_max"],
        aheadMsMax: config["ingress.future_hours_max"] * HOUR_MS,
        ageMsMax: config["ingress.past_hours_max"] * HOUR_MS,
      },
      batchMessagesMax: config["ingress.batch_messages_max"],
      batchBytesMax: config["ingress.batch_bytes_max"],
      batchDelayMs: config["ingress.batch_delay_ms"],
      pendingMessagesMax: config["ingress.pending_messages_max"],
    },
    onVerdict: (verdict, item, latencyMs) => {
      metrics.message(verdict.outcome, verdict.reason, latencyMs);
      if (verdict.outcome !== "refused") return;
      const ids = item.ok
        ? { eventId: item.message.message.event_id, deviceId: item.message.message.device_id, traceId: item.message.traceId }
        : { eventId: item.refused.eventId, deviceId: item.refused.device };
      log.write("debug", "message-refused", { reason: verdict.reason, ...ids });
    },
    onFailure: (error, times) => log.write("error", "messages-not-stored", { times, ...errorFields(error) }),
    onRecovery: () => log.write("info", "messages-stored-again", {}),
  });
}

async function startBroker(config: EdgeConfig, nodeId: string, ingress: Ingress, log: EdgeLog): Promise<Broker> {
  if (config["mqtt.url"] === null) {
    const onEvent = ({ kind, ...ids }: { readonly kind: string }): void => log.write("warn", kind, ids);
    return startEmbeddedBroker({ config, take: ingress.take, onEvent });
  }
  const onProblem = (reason: string): void => log.write("warn", "broker-problem", { reason });
  const { connectExternalBroker } = await import("../broker/external-broker.ts");
  return connectExternalBroker({ config, nodeId, take: ingress.take, onProblem });
}

/** How often rows are compared with the hub's, and how much of the time that may take. */
const paceOf = (config: EdgeConfig): ComparisonPace => ({
  intervalMs: config["verify.interval_minutes"] * 60_000,
  share: config["verify.share_percent"] / 100,
});

async function closeHttp(http: EdgeHttpServer, replica: Replica<FarmRows>): Promise<void> {
  await replica.drain();
  await http.close();
}
