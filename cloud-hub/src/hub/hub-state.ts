import type { Clock, Database, Log, NodeIdentity, Replica } from "@hayloft/engine";
import type { BlobStore } from "@hayloft/engine/blob";
import { poolUse } from "@hayloft/engine/postgres";
import { type FarmRows, mediaFigures, sweepMedia, verifyMedia } from "@hayloft/schema";
import { readOverview } from "../admin/hub-overview.ts";
import { countQuarantined } from "../admin/quarantine.ts";
import type { NodeWatch } from "../admin/nodes.ts";
import { listNodes } from "../admin/nodes.ts";
import type { HubSettings } from "../config/hub-settings.ts";
import { HubImages } from "../images/hub-images.ts";
import { imagesDirectory } from "../images/images-directory.ts";
import { maintainHub } from "../jobs/maintain-hub.ts";
import { RepeatingJob } from "../jobs/repeating-job.ts";
import { HubMetrics } from "../metrics/hub-metrics.ts";
import { contactLimits } from "../watch/contact-limits.ts";
import { noteContact } from "../watch/note-contact.ts";
import type { Readiness } from "../watch/readiness.ts";
import { SecondSiteWatch } from "../watch/second-site.ts";
import { DatabaseProbe } from "../watch/readiness.ts";

/** How often the contact of connected but idle nodes is written down. Well below the least `watch.late_minutes`. */
const CONTACT_INTERVAL_MS = 20_000;

const IMAGES_INTERVAL_MS = 60_000;
/** A node's change is told to be safe two to four times that after it is. */
const SECOND_SITE_INTERVAL_MS = 2_000;

const MEDIA_INTERVAL_MS = 3_600_000;
/** A site may be away for long in the middle of an image. */
const UNSENT_MS = 14 * 86_400_000;
const MEDIA_VERIFIED_MAX = 1_000;

/** A running hub's state, what its routes ask of it, and its jobs. */
export class HubState {
  readonly #metrics = new HubMetrics();
  /** True from the moment a shutdown begins. */
  draining = false;
  readonly #settings: HubSettings;
  readonly #database: Database;
  readonly #replica: Replica<FarmRows>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #probe: DatabaseProbe;
  readonly #secondSite: SecondSiteWatch;
  readonly #blobs: BlobStore;
  /** Prepared databases for new nodes. */
  readonly images: HubImages;

  constructor(
    settings: HubSettings,
    { database, blobs, identity }: { readonly database: Database; readonly blobs: BlobStore; readonly identity: NodeIdentity },
    replica: Replica<FarmRows>,
    clock: Clock,
    log: Log,
  ) {
    this.#settings = settings;
    this.#database = database;
    this.#blobs = blobs;
    this.#replica = replica;
    this.#clock = clock;
    this.#log = log;
    this.#probe = new DatabaseProbe(database);
    this.images = new HubImages({
      database,
      identity,
      clock,
      log,
      directory: imagesDirectory(settings, identity.nodeId),
      limits: {
        keep: settings["images.keep"],
        bytesMax: settings["images.megabytes_max"] * 1_048_576,
        rowsMin: settings["images.rows_min"],
        tailRowsMax: settings["images.tail_rows_max"],
      },
      onOutcome: (outcome) => this.#metrics.countImage(outcome),
    });
    this.#secondSite = new SecondSiteWatch(replica, log);
  }

  async readiness(): Promise<Readiness> {
    if (this.draining) return { ready: false, reason: "draining" };
    const state = await this.#probe.state();
    if (state === "writable") return { ready: true, reason: null };
    return { ready: false, reason: state === "read-only" ? "database-read-only" : "database" };
  }

  watch(): NodeWatch {
    const connected = new Set(this.#replica.children().map((child) => child.node));
    return { nowMs: this.#clock.nowMs(), limits: contactLimits(this.#settings), connected };
  }

  async metricsText(): Promise<string> {
    const { ready } = await this.readiness();
    const nowMs = this.#clock.nowMs();
    if ((await this.#probe.state()) === "silent") {
      return await this.#metrics.text({
        ready,
        connected: 0,
        pool: poolUse(this.#database),
        overview: null,
        nodes: null,
        held: null,
        media: null,
        repaired: null,
        images: await this.images.figures(),
        secondSiteBehindBytes: null,
        nowMs,
      });
    }
    const watch = this.watch();
    return await this.#metrics.text({
      ready,
      connected: watch.connected.size,
      pool: poolUse(this.#database),
      overview: await readOverview(this.#database),
      held: await countQuarantined(this.#database),
      media: await mediaFigures(this.#database, "cloud"),
      nodes: await listNodes(this.#database, null, watch),
      repaired: (await this.#replica.status()).healedForChildren,
      images: await this.images.figures(),
      secondSiteBehindBytes: this.#secondSite.behindBytes,
      nowMs,
    });
  }

  /** Removes image files without rows and what nobody went on to send, and checks some of the others. */
  async careForMedia(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    await this.#blobs.expire(nowMs - UNSENT_MS);
    this.#metrics.countMaintenance("media_files_removed", await sweepMedia(this.#database, this.#blobs, nowMs));
    await verifyMedia(this.#database, this.#blobs, nowMs, MEDIA_VERIFIED_MAX);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Counts and logs an attempt to enrol; `node` is null when it was refused. */
  noteEnrolment(outcome: string, node: string | null, address: string): void {
    this.#metrics.countEnrolment(outcome);
    const level = outcome === "enrolled" ? "info" : "warn";
    this.#log({ level, event: "enrolment", peer: node, details: { outcome, address }, error: null });
  }

  startJobs(): readonly RepeatingJob[] {
    const maintenance = new RepeatingJob(
      "maintenance",
      this.#settings["maintenance.interval_minutes"] * 60_000,
      this.#log,
      async () => {
        const done = await maintainHub(this.#database, this.#settings, this.#clock.nowMs());
        this.#metrics.countMaintenance("partitions", done.partitions.length);
        this.#metrics.countMaintenance("pruned_commits", done.prunedCommits);
        this.#metrics.countMaintenance("deleted_tokens", done.deletedTokens);
      },
    );
    const contact = new RepeatingJob("contact", CONTACT_INTERVAL_MS, this.#log, async () => {
      await noteContact(this.#database, this.#replica.children(), this.#clock.nowMs());
    });
    const care = new RepeatingJob("media", MEDIA_INTERVAL_MS, this.#log, async () => {
      await this.careForMedia();
    });
    const images = new RepeatingJob("images", IMAGES_INTERVAL_MS, this.#log, async () => await this.images.tend());
    const jobs = [maintenance, contact, care, images];
    const site = this.#settings["database.second_site"];
    if (site === "none") return jobs;
    const second = new RepeatingJob(
      "second-site",
      SECOND_SITE_INTERVAL_MS,
      this.#log,
      async () => await this.#secondSite.look(site),
    );
    return [...jobs, second];
  }
}
