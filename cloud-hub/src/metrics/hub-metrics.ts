import type { HeldCount } from "@hayloft/engine";
import type { PoolUse } from "@hayloft/engine/postgres";
import { Counter, Gauge, Registry } from "prom-client";
import type { MediaFigures } from "@hayloft/schema";
import type { HubOverview } from "../admin/hub-overview.ts";
import type { ImageFigures } from "../images/hub-images.ts";
import type { NodeView } from "../admin/nodes.ts";
import { processFigures } from "./process-figures.ts";

/** What is known at one scrape; null where the database did not answer. */
export interface MetricsSnapshot {
  readonly ready: boolean;
  readonly connected: number;
  readonly pool: PoolUse | null;
  readonly overview: HubOverview | null;
  readonly nodes: readonly NodeView[] | null;
  readonly held: readonly HeldCount[] | null;
  readonly media: MediaFigures | null;
  /** Rows that were set right here because a node compared its own with them. */
  readonly repaired: number | null;
  readonly images: ImageFigures;
  /** Bytes of the database's log that the second site does not have; null without one, or while it does not say. */
  readonly secondSiteBehindBytes: number | null;
  readonly nowMs: number;
}

const STATES = ["online", "late", "silent", "lost", "never", "revoked"] as const;

/** The hub's figures in the Prometheus format. One instance per hub, so that two hubs in one process do not mix. */
export class HubMetrics {
  readonly #registry = new Registry();
  readonly #process = processFigures();
  readonly #gauges: Readonly<Record<string, Gauge>>;
  readonly #nodeGauges: Readonly<Record<"lag" | "contact" | "skew" | "up", Gauge>>;
  readonly #states: Gauge;
  readonly #held: Readonly<Record<"count" | "age", Gauge>>;
  readonly #pictures: Gauge;
  readonly #enrolments: Counter;
  readonly #jobs: Counter;
  readonly #images: Counter;

  constructor() {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, labelNames: readonly string[] = []): Gauge =>
      new Gauge({ name, help, labelNames, registers });
    this.#gauges = {
      ready: gauge("hub_ready", "1 when the hub can serve: the database answers and no shutdown is under way."),
      connected: gauge("sync_connected", "Nodes with a session at this process."),
      applied: gauge("sync_applied_commits", "Commits of nodes applied at this database, all time."),
      refused: gauge("sync_refused_commits", "Commits of nodes that were refused."),
      quarantined: gauge("sync_quarantined_changes", "Refused commits that wait for a person."),
      mediaBytes: gauge("media_bytes_present", "Bytes of pictures that this hub holds."),
      repaired: gauge(
        "sync_rows_repaired",
        "Damaged rows of this hub that were set right because a node compared, since the start.",
      ),
      imagesKept: gauge("images_kept", "Prepared databases for new nodes that are kept."),
      imagesBytes: gauge("images_bytes", "Bytes that they take."),
      imagesSending: gauge("images_sending", "Prepared databases that are being sent by this process."),
      secondSite: gauge(
        "db_second_site_behind_bytes",
        "Bytes of the database's log that the second site does not have; absent while it does not say.",
      ),
      bytes: gauge("db_size_bytes", "Size of the database."),
      oldest: gauge(
        "db_oldest_transaction_age_seconds",
        "Age of the oldest transaction that is open or prepared at the database.",
      ),
      poolSize: gauge("db_pool_size", "Open database connections of this process."),
      poolUse: gauge("db_pool_in_use", "Database connections at work."),
      poolWaiting: gauge("db_pool_waiting", "Callers that wait for a database connection."),
      poolMax: gauge("db_pool_max", "Database connections at most."),
    };
    this.#nodeGauges = {
      lag: gauge("sync_node_lag_commits", "Commits of the tenant's log that the node has not acknowledged.", ["tenant", "node"]),
      contact: gauge("sync_node_last_contact_age_seconds", "Time since the node was last heard.", ["tenant", "node"]),
      skew: gauge("sync_node_clock_skew_ms", "The node's clock minus the hub's.", ["tenant", "node"]),
      up: gauge("sync_node_alarm", "0 online or not yet seen, 1 late, 2 silent, 3 lost.", ["tenant", "node"]),
    };
    this.#held = {
      count: gauge("sync_held_commits", "Refused commits that are held here or below, by reason.", ["tenant", "code"]),
      age: gauge("sync_held_oldest_age_seconds", "Age of the oldest held commit, by reason.", ["tenant", "code"]),
    };
    this.#states = gauge("sync_nodes", "Enrolled nodes by contact state.", ["state"]);
    this.#pictures = gauge("media_pictures", "Pictures by state: present, awaited, missing, damaged.", ["state"]);
    this.#enrolments = new Counter({
      name: "hub_enrolments_total",
      help: "Enrolment attempts.",
      labelNames: ["outcome"],
      registers,
    });
    this.#images = new Counter({
      name: "hub_images_total",
      help: "Prepared databases: made, failed, given to a node, asked for and missing.",
      labelNames: ["outcome"],
      registers,
    });
    this.#jobs = new Counter({
      name: "hub_maintenance_total",
      help: "What maintenance has done.",
      labelNames: ["what"],
      registers,
    });
  }

  countImage(outcome: string): void {
    this.#images.inc({ outcome });
  }

  countEnrolment(outcome: string): void {
    this.#enrolments.inc({ outcome });
  }

  countMaintenance(what: string, count: number): void {
    this.#jobs.inc({ what }, count);
  }

  /** The text of one scrape. What is unknown is left out, not shown as zero. */
  async text(snapshot: MetricsSnapshot): Promise<string> {
    const { overview, pool } = snapshot;
    this.#set("ready", snapshot.ready ? 1 : 0);
    this.#set("connected", snapshot.connected);
    this.#set("applied", overview?.applied_commits);
    this.#set("refused", overview?.refused_commits);
    this.#set("quarantined", overview?.quarantined);
    this.#set("repaired", snapshot.repaired ?? undefined);
    this.#set("imagesKept", snapshot.images.kept);
    this.#set("imagesBytes", snapshot.images.bytes);
    this.#set("imagesSending", snapshot.images.sending);
    this.#set("secondSite", snapshot.secondSiteBehindBytes ?? undefined);
    this.#set("bytes", overview?.database_bytes);
    this.#set("oldest", overview?.oldest_transaction_seconds);
    this.#set("poolSize", pool?.size);
    this.#set("poolUse", pool?.inUse);
    this.#set("poolWaiting", pool?.waiting);
    this.#set("poolMax", pool?.max);
    this.#setNodes(snapshot.nodes ?? [], snapshot.nowMs);
    this.#setMedia(snapshot.media);
    this.#setHeld(snapshot.held ?? [], snapshot.nowMs);
    return await Registry.merge([this.#process, this.#registry]).metrics();
  }

  #set(name: string, value: number | undefined): void {
    const gauge = this.#gauges[name];
    if (value === undefined) gauge?.remove();
    else gauge?.set(value);
  }

  #setMedia(media: MediaFigures | null): void {
    this.#pictures.reset();
    this.#set("mediaBytes", media?.presentBytes);
    if (media === null) return;
    const { present, awaited, missing, damaged } = media;
    for (const [state, count] of Object.entries({ present, awaited, missing, damaged })) this.#pictures.set({ state }, count);
  }

  #setHeld(held: readonly HeldCount[], nowMs: number): void {
    for (const gauge of Object.values(this.#held)) gauge.reset();
    for (const { tenant, code, count, oldest } of held) {
      this.#held.count.set({ tenant, code }, count);
      this.#held.age.set({ tenant, code }, Math.max(0, (nowMs - oldest.getTime()) / 1_000));
    }
  }

  #setNodes(nodes: readonly NodeView[], nowMs: number): void {
    for (const gauge of [...Object.values(this.#nodeGauges), this.#states]) gauge.reset();
    for (const state of STATES) this.#states.set({ state }, nodes.filter((node) => node.contact === state).length);
    const alarm: Readonly<Record<string, number>> = { late: 1, silent: 2, lost: 3 };
    for (const node of nodes) {
      if (node.status === "revoked") continue;
      const labels = { tenant: node.tenant, node: node.id };
      this.#nodeGauges.lag.set(labels, node.behind_commits);
      this.#nodeGauges.up.set(labels, alarm[node.contact] ?? 0);
      if (node.last_contact_at !== null)
        this.#nodeGauges.contact.set(labels, Math.max(0, (nowMs - node.last_contact_at.getTime()) / 1_000));
      if (node.skew_ms !== null) this.#nodeGauges.skew.set(labels, node.skew_ms);
    }
  }
}
