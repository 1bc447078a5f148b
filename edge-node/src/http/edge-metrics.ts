import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EdgeStatus } from "../daemon/edge-status.ts";
import { processFigures } from "./process-figures.ts";

/**
 * The daemon's metrics in Prometheus text form. Counters are fed by what happens; gauges are set from the status when
 * somebody asks.
 */
export class EdgeMetrics {
  readonly #registry = new Registry();
  readonly #process = processFigures();
  readonly #ingress = this.#counter("ingress_messages_total", "Messages taken from devices.", ["outcome"]);
  readonly #refused = this.#counter("ingress_refused_total", "Refused messages by reason.", ["reason"]);
  readonly #dedupeDeleted = this.#counter("ingress_dedupe_deleted_total", "Forgotten event ids after their time.", []);
  readonly #retentionDeleted = this.#counter("retention_deleted_rows_total", "Rows removed by age.", ["table"]);
  readonly #jobFailures = this.#counter("edge_job_failures_total", "Runs of housekeeping jobs that failed.", ["job"]);
  readonly #latency = new Histogram({
    name: "mqtt_message_latency_seconds",
    help: "From the arrival of a message to its durable commit.",
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
    registers: [this.#registry],
  });
  readonly #unacked = this.#gauge("sync_unacked_changes", "Rows that the hub has not acknowledged.");
  readonly #oldest = this.#gauge(
    "sync_oldest_unacked_age_seconds",
    "Age of the oldest commit that the hub has not acknowledged.",
  );
  readonly #quarantined = this.#gauge("sync_quarantined_changes", "Refused commits that are held.");
  readonly #held = new Gauge({
    name: "sync_held_commits",
    help: "Refused commits that are held, by reason.",
    labelNames: ["code"],
    registers: [this.#registry],
  });
  readonly #connected = this.#gauge("sync_connected", "1 while the link to the hub is up.");
  readonly #mismatch = this.#gauge("sync_schema_mismatch", "1 while the hub refuses our catalog version.");
  readonly #repaired = new Gauge({
    name: "sync_rows_repaired",
    help: "Damaged rows that comparing with the hub has set right since the start, here or at the hub.",
    labelNames: ["side"],
    registers: [this.#registry],
  });
  readonly #differing = this.#gauge("sync_rows_differing", "Rows that differed still after the last comparison with the hub.");
  readonly #compared = this.#gauge(
    "sync_compared_timestamp_seconds",
    "When the last comparison with the hub ended; 0 before it.",
  );
  readonly #skew = this.#gauge("sync_clock_skew_ms", "The hub's clock minus ours.");
  readonly #pending = this.#gauge("ingress_pending_messages", "Messages that wait for their commit.");
  readonly #dbSize = this.#gauge("db_size_bytes", "Size of the database.");
  readonly #certificate = this.#gauge(
    "mqtt_certificate_expires_seconds",
    "Seconds until the own broker's certificate ends; absent without one.",
  );
  readonly #mediaPending = this.#gauge("media_bytes_pending", "Bytes of pictures that the hub wants and does not have.");
  readonly #mediaBytes = this.#gauge("media_bytes_present", "Bytes of pictures on this node.");
  readonly #pictures = new Gauge({
    name: "media_pictures",
    help: "Pictures by state: present, awaited (announced or known, no bytes here), missing, damaged, to_send, failing.",
    labelNames: ["state"],
    registers: [this.#registry],
  });
  readonly #backupAge = this.#gauge("backup_age_seconds", "Age of the last whole backup; absent without one.");
  readonly #backupBytes = this.#gauge("backup_size_bytes", "Size of the last whole backup.");
  readonly #backupFailing = this.#gauge("backup_failing", "1 when the last attempt to make a backup failed.");
  readonly #damagedStores = this.#gauge(
    "store_damaged_kept",
    "Damaged databases that are kept aside until somebody deletes them.",
  );
  readonly #ready = this.#gauge("edge_ready", "1 while database and broker work.");

  get contentType(): string {
    return this.#registry.contentType;
  }

  message(outcome: "stored" | "duplicate" | "refused" | "failed", reason: string | null, latencyMs: number): void {
    this.#ingress.inc({ outcome });
    if (reason !== null) this.#refused.inc({ reason });
    this.#latency.observe(latencyMs / 1000);
  }

  dedupeDeleted(count: number): void {
    this.#dedupeDeleted.inc(count);
  }

  retentionDeleted(table: string, count: number): void {
    this.#retentionDeleted.inc({ table }, count);
  }

  jobFailed(job: string): void {
    this.#jobFailures.inc({ job });
  }

  async text(status: EdgeStatus, databaseBytes: number | null): Promise<string> {
    const parent = status.peers.find((peer) => peer.relation === "parent");
    this.#unacked.set(status.backlog.rows);
    this.#oldest.set(status.backlog.oldestAgeMs / 1000);
    this.#quarantined.set(status.quarantined);
    this.#held.reset();
    for (const { code, count } of status.held) this.#held.set({ code }, count);
    this.#connected.set(parent?.connected === true ? 1 : 0);
    this.#mismatch.set(parent?.lastError?.code === "catalog-version" ? 1 : 0);
    this.#skew.set(parent?.skewMs ?? 0);
    this.#repaired.set({ side: "here" }, status.comparison?.healedHere ?? 0);
    this.#repaired.set({ side: "hub" }, status.comparison?.healedAbove ?? 0);
    this.#differing.set(status.comparison?.left ?? 0);
    this.#compared.set((status.comparison?.lastAtMs ?? 0) / 1000);
    this.#pending.set(status.ingress.pending);
    if (status.mqtt.certificateEndsMs === null) this.#certificate.remove();
    else this.#certificate.set(Math.round((status.mqtt.certificateEndsMs - status.atMs) / 1000));
    this.#ready.set(status.ready.ready ? 1 : 0);
    this.#damagedStores.set(status.damagedStores);
    const { media, backup } = status;
    if (backup.lastGoodMs === null) this.#backupAge.remove();
    else this.#backupAge.set((status.atMs - backup.lastGoodMs) / 1000);
    this.#backupBytes.set(backup.lastBytes ?? 0);
    this.#backupFailing.set(backup.lastError === null ? 0 : 1);
    this.#mediaPending.set(media.toSendBytes);
    this.#mediaBytes.set(media.presentBytes);
    const { present, missing, damaged, failing } = media;
    const states = { present, missing, damaged, failing, awaited: media.awaited + media.announced, to_send: media.toSend };
    for (const [state, count] of Object.entries(states)) this.#pictures.set({ state }, count);
    if (databaseBytes !== null) this.#dbSize.set(databaseBytes);
    return Registry.merge([this.#process, this.#registry]).metrics();
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.#registry] });
  }
}
