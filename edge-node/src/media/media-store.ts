import { statfs } from "node:fs/promises";
import path from "node:path";
import type { Clock, Database, NodeIdentity, ParentAddress, Replica } from "@hayloft/engine";
import { FileBlobStore } from "@hayloft/engine/blob";
import type { FarmRows, MediaFigures } from "@hayloft/schema";
import { mediaBytesMax, mediaFigures, sweepMedia, verifyMedia, wantedInCloud } from "@hayloft/schema";
import { parseDeviceAccounts } from "../broker/device-accounts.ts";
import type { Job } from "../jobs/job-runner.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { readSecret } from "../settings/read-secret.ts";
import { type Login, MediaAuthority } from "./media-authority.ts";
import type { MediaContext } from "./media-context.ts";
import { isoTime, UPLOAD_MS } from "./open-upload.ts";
import type { MediaPort } from "./media-routes.ts";
import { MediaTransfer } from "./transfer-media.ts";

/** What the daemon shows of its images, beside what it has. */
export interface MediaStatus extends MediaFigures {
  /** Images that were announced by a station and did not come. */
  readonly announced: number;
  readonly openUploads: number;
  /** Pictures that the hub wants and does not have. */
  readonly toSend: number;
  readonly toSendBytes: number;
  /** Of these, those whose last attempt failed. */
  readonly failing: number;
}

interface MediaStoreParts {
  readonly config: EdgeConfig;
  readonly database: Database;
  readonly replica: Replica<FarmRows>;
  readonly tenant: string;
  readonly identity: NodeIdentity;
  readonly parent: ParentAddress | null;
  readonly clock: Clock;
}

const HOUR_MS = 3_600_000;
const MEGABYTE = 1_048_576;
const VERIFIED_IN_A_RUN = 20;
/** Rows that wait longer than this go before any byte of an image. */
const ROWS_WAIT_MS_MAX = 5_000;

/** The images of the barn: their files, who may bring them, and their way to the hub. */
export class MediaStore implements MediaPort {
  readonly context: MediaContext;
  readonly authority: MediaAuthority;
  readonly #transfer: MediaTransfer | null;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(context: MediaContext, authority: MediaAuthority, parts: MediaStoreParts) {
    this.context = context;
    this.authority = authority;
    this.#transfer = parts.parent === null ? null : new MediaTransfer(transferOptions(context, parts, parts.parent));
  }

  /** Opens the directory `media` in the data directory. */
  static async open(parts: MediaStoreParts): Promise<MediaStore> {
    const { config, database, tenant, identity, clock } = parts;
    const directory = path.join(config.data_dir, "media");
    const blobs = new FileBlobStore(directory, { bytesMax: Math.min(config["media.upload_bytes_max"], mediaBytesMax) });
    const settings = {
      thumbnailPx: config["media.thumbnail_px"],
      previewPx: config["media.preview_px"],
      uploadsPerMinute: config["media.uploads_per_minute"],
      freeBytesMin: config["media.disk_free_mb_min"] * MEGABYTE,
    };
    const freeBytes = async (): Promise<number> => {
      const { bavail, bsize } = await statfs(config.data_dir);
      return bavail * bsize;
    };
    const context: MediaContext = { database, blobs, tenant, identity, clock, settings, freeBytes };
    return new MediaStore(context, new MediaAuthority(context, await loginOf(config)), parts);
  }

  readonly inTurn = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  };

  async figures(): Promise<MediaStatus> {
    const { database, clock } = this.context;
    const figures = await mediaFigures(database, "edge");
    const { rows } = await database.query<Omit<MediaStatus, keyof MediaFigures>>(
      `select (select count(*)::int from session_media_bindings where not is_bound) as announced,
         (select count(*)::int from media_uploads where state <> 'complete' and expires_at > $1) as "openUploads",
         count(*)::int as "toSend", coalesce(sum(waiting.size_bytes), 0)::float8 as "toSendBytes",
         count(*) filter (where waiting.last_error_code is not null)::int as failing
       from (${WAITING_SQL}) as waiting`,
      [isoTime(clock.nowMs())],
    );
    return { ...figures, ...(rows[0] ?? { announced: 0, openUploads: 0, toSend: 0, toSendBytes: 0, failing: 0 }) };
  }

  /** Housekeeping: what was begun and never completed, files without rows, and files that changed. */
  jobs(): readonly Job[] {
    const { database, blobs } = this.context;
    return [
      {
        name: "media-uploads",
        everyMs: 60_000,
        run: async (nowMs) => ({ done: await this.inTurn(async () => await this.#dropExpired(nowMs)), more: false }),
      },
      {
        name: "media-sweep",
        everyMs: HOUR_MS,
        run: async (nowMs) => ({ done: await this.inTurn(async () => await sweepMedia(database, blobs, nowMs)), more: false }),
      },
      {
        name: "media-verify",
        everyMs: 60_000,
        run: async (nowMs) => {
          const done = await verifyMedia(database, blobs, nowMs, VERIFIED_IN_A_RUN);
          return { done, more: done >= VERIFIED_IN_A_RUN };
        },
      },
    ];
  }

  /** The way to the hub, as a job of its own: it waits for the network, and no other job shall wait for it. */
  transferJobs(): readonly Job[] {
    const transfer = this.#transfer;
    if (transfer === null) return [];
    const run = async (nowMs: number): Promise<{ readonly done: number; readonly more: boolean }> => {
      const moved = await transfer.next(nowMs);
      return { done: moved ? 1 : 0, more: moved };
    };
    return [{ name: "media-transfer", everyMs: 1_000, restFactor: 0, run }];
  }

  /** Cuts a running transfer. */
  stopTransfer(): void {
    this.#transfer?.stop();
  }

  async #dropExpired(nowMs: number): Promise<number> {
    const { database, blobs, tenant } = this.context;
    // The rows of complete uploads stay for a day: a device that did not hear our answer asks again.
    const { affected } = await database.query(
      "delete from media_uploads where tenant_id = $1 and expires_at < case when state = 'open' then $2::timestamptz else $3::timestamptz end",
      [tenant, isoTime(nowMs), isoTime(nowMs - 24 * HOUR_MS)],
    );
    await blobs.expire(nowMs - 2 * UPLOAD_MS);
    return affected;
  }
}

const WAITING_SQL = `select held.size_bytes, moved.last_error_code from media_presence as held
  join tenants as tenant on tenant.tenant_id = held.tenant_id
  left join media_transfers as moved on moved.tenant_id = held.tenant_id and moved.media_id = held.media_id
    and moved.variant = held.variant and moved.direction = 'up'
  where held.state = 'present' and not held.is_at_parent and ${wantedInCloud("held")}`;

async function loginOf(config: EdgeConfig): Promise<Login> {
  const file = config["broker.accounts_file"];
  const accounts = file === null ? new Map() : parseDeviceAccounts(await readSecret("broker.accounts_file", file));
  if (!config["broker.anonymous"]) return { accounts, anonymous: "nobody" };
  return { accounts, anonymous: config.insecure ? "everywhere" : "this-machine" };
}

function transferOptions(context: MediaContext, { config, replica }: MediaStoreParts, parent: ParentAddress) {
  const url = new URL(parent.url);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = "/api/v1/media/upload";
  url.search = "";
  const rowsFlow = async (): Promise<boolean> => {
    const peer = (await replica.status()).peers.find(({ relation }) => relation === "parent");
    return peer?.connected === true && (peer.backlog.commits === 0 || peer.backlog.oldestAgeMs < ROWS_WAIT_MS_MAX);
  };
  return { ...context, hub: { url, ca: parent.ca ?? null }, kbps: config["media.upload_kbps"], rowsFlow };
}
