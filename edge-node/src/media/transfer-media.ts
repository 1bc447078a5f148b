import { setTimeout } from "node:timers/promises";
import type { Clock, Database, NodeIdentity } from "@hayloft/engine";
import { HayloftError, isHayloftError } from "@hayloft/engine";
import { type BlobStore, uploadBlob } from "@hayloft/engine/blob";
import { findMedia, type MediaFacts, type MediaVariant, readMedia, wantedInCloud } from "@hayloft/schema";

export interface TransferOptions {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly tenant: string;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  /** The hub's address for bytes of images. */
  readonly hub: { readonly url: URL; readonly ca: string | null };
  /** 0: as fast as it goes. */
  readonly kbps: number;
  /** True while the link is up and rows do not wait: they go first. */
  readonly rowsFlow: () => Promise<boolean>;
}

const CHUNK_BYTES = 131_072;
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 600_000;
const REFUSED_RETRY_MS = 3_600_000;

/** Brings the pictures that the hub wants to it, one after the other, below the rows in priority. */
export class MediaTransfer {
  readonly #options: TransferOptions;
  readonly #stop = new AbortController();

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  /** Cuts a transfer that runs; it goes on where it was. */
  stop(): void {
    this.#stop.abort();
  }

  /** Transfers the next picture that is due, small ones first. Returns whether there was one that moved. */
  async next(nowMs: number): Promise<boolean> {
    const { database, tenant, blobs } = this.#options;
    if (this.#stop.signal.aborted || !(await this.#options.rowsFlow())) return false;
    const facts = await this.#due(nowMs);
    if (facts === null) return false;
    await database.query(
      `insert into media_transfers (tenant_id, media_id, variant, direction, state, total_bytes, updated_at)
       values ($1, $2, $3, 'up', 'running', $4, $5)
       on conflict (tenant_id, media_id, variant, direction) do update set state = 'running', updated_at = excluded.updated_at`,
      [tenant, facts.mediaId, facts.variant, facts.sizeBytes, new Date(nowMs).toISOString()],
    );
    const answer = await readMedia(database, blobs, facts, nowMs);
    if (answer.state !== "present") {
      await this.#ended(facts, "failed", answer.state === "damaged" ? "blob-altered" : "not-found");
      return true;
    }
    return await this.#send(facts, answer.bytes);
  }

  async #due(nowMs: number): Promise<MediaFacts | null> {
    const { database, tenant } = this.#options;
    const { rows } = await database.query<{ media: string; variant: MediaVariant }>(
      `select held.media_id::text as media, held.variant from media_presence as held
       join tenants as tenant on tenant.tenant_id = held.tenant_id
       left join media_transfers as moved on moved.tenant_id = held.tenant_id and moved.media_id = held.media_id
         and moved.variant = held.variant and moved.direction = 'up'
       where held.tenant_id = $1 and held.state = 'present' and not held.is_at_parent
         and (moved.next_attempt_at is null or moved.next_attempt_at <= $2) and ${wantedInCloud("held")}
       order by held.variant = 'original', held.variant = 'preview', held.updated_at, held.media_id limit 1`,
      [tenant, new Date(nowMs).toISOString()],
    );
    const [row] = rows;
    return row === undefined ? null : await findMedia(database, tenant, row.media, row.variant);
  }

  async #send(facts: MediaFacts, bytes: Uint8Array): Promise<boolean> {
    const { hub, identity, tenant } = this.#options;
    const url = new URL(hub.url);
    url.searchParams.set("media_id", facts.mediaId);
    url.searchParams.set("variant", facts.variant);
    try {
      const done = await uploadBlob({ url, identity, tenant, ca: hub.ca }, bytes, {
        chunkBytes: CHUNK_BYTES,
        mayGoOn: async (nextBytes) => await this.#mayGoOn(nextBytes),
        onProgress: async (sent) => await this.#progress(facts, sent),
        signal: this.#stop.signal,
      });
      await this.#ended(facts, done ? "done" : "waiting", null);
      return done;
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      if (!isHayloftError(error)) throw error;
      await this.#ended(facts, error.code === "request-invalid" ? "failed" : "waiting", error.code);
      if (error.code === "unavailable" && error.details["status"] === undefined) throw error;
      return false;
    }
  }

  async #mayGoOn(nextBytes: number): Promise<boolean> {
    const { kbps, rowsFlow } = this.#options;
    if (kbps > 0) await setTimeout((nextBytes * 8) / kbps, null, { signal: this.#stop.signal }).catch(() => null);
    if (this.#stop.signal.aborted) throw new HayloftError("unavailable", { reason: "stopping" });
    return await rowsFlow();
  }

  async #progress(facts: MediaFacts, sentBytes: number): Promise<void> {
    const { database, tenant, clock } = this.#options;
    await database.query(
      `update media_transfers set sent_bytes = $4, updated_at = $5 where tenant_id = $1 and media_id = $2 and variant = $3 and direction = 'up'`,
      [tenant, facts.mediaId, facts.variant, sentBytes, new Date(clock.nowMs()).toISOString()],
    );
  }

  /** Notes how an attempt ended. A pause for rows is no attempt, and a failure of the link is tried again for ever. */
  async #ended(facts: MediaFacts, state: "done" | "waiting" | "failed", code: string | null): Promise<void> {
    const { database, tenant, clock } = this.#options;
    const nowMs = clock.nowMs();
    const at = new Date(nowMs).toISOString();
    const key = [tenant, facts.mediaId, facts.variant];
    await database.transaction(async (tx) => {
      const { rows } = await tx.query<{ attempts: number }>(
        `update media_transfers set state = $4, last_error_code = $5, attempts = attempts + (case when $5::text is null then 0 else 1 end),
           sent_bytes = case when $4 = 'done' then coalesce(total_bytes, sent_bytes) else sent_bytes end, updated_at = $6
         where tenant_id = $1 and media_id = $2 and variant = $3 and direction = 'up' returning attempts`,
        [...key, state, code, at],
      );
      const retryMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(rows[0]?.attempts ?? 0, 20));
      const waitMs = code === null ? 0 : state === "failed" ? REFUSED_RETRY_MS : retryMs;
      await tx.query(
        "update media_transfers set next_attempt_at = $4 where tenant_id = $1 and media_id = $2 and variant = $3 and direction = 'up'",
        [...key, new Date(nowMs + waitMs).toISOString()],
      );
      if (state !== "done") return;
      await tx.query(
        "update media_presence set is_at_parent = true, updated_at = $4 where tenant_id = $1 and media_id = $2 and variant = $3",
        [...key, at],
      );
    });
  }
}
