import type { IncomingMessage } from "node:http";
import type { Clock, Database, Grant, Log, NodeIdentity } from "@hayloft/engine";
import { HayloftError, isHayloftError, markSecretOf, sha256, SqlReplicaStorage } from "@hayloft/engine";
import { provenNode, RequestChallenges } from "@hayloft/engine/blob";
import { ImageDesk, type ImageManifest, ImageShelf, makeImage, type ShelvedImage } from "@hayloft/engine/image";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { activeTenants } from "../admin/tenants.ts";
import type { HttpReply } from "../http/http-reply.ts";
import { unprovenReply } from "../http/unproven-reply.ts";
import { imageState, keyOf } from "./image-state.ts";
import { expectedGrants, hasRows, IMAGE_TIER, presentNodes } from "./wanted-grants.ts";

/** What images may cost. */
interface ImageLimits {
  /** Images kept; 0: none are made. */
  readonly keep: number;
  readonly bytesMax: number;
  /** A tail with more rows than that makes an image too old. */
  readonly tailRowsMax: number;
  /** For a tenant with fewer rows none is made. */
  readonly rowsMin: number;
}

export interface HubImagesParts {
  readonly database: Database;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: string;
  readonly limits: ImageLimits;
  readonly onOutcome: (outcome: "made" | "failed" | "given" | "missing") => void;
}

/** What the shelf holds. */
export interface ImageFigures {
  readonly kept: number;
  readonly bytes: number;
  readonly sending: number;
}

const LEFT_MS = 6 * 3_600_000;
const RETRY_MS = 10 * 60_000;
const ASKED_MAX = 64;

/** Prepared databases for nodes that are about to come: made of this hub's rows, kept as files, given to who may have them. */
export class HubImages {
  readonly #parts: HubImagesParts;
  readonly #shelf: ImageShelf;
  readonly #desk: ImageDesk;
  readonly #challenges: RequestChallenges;
  readonly #storage: SqlReplicaStorage;
  readonly #stopped = new AbortController();
  /** What nodes asked for in vain, by key. */
  readonly #asked = new Map<string, Grant>();
  /** When to try again what failed, by key. */
  readonly #failedUntilMs = new Map<string, number>();

  constructor(parts: HubImagesParts) {
    const { database, identity, clock, directory } = parts;
    this.#parts = parts;
    this.#shelf = new ImageShelf(directory, { node: identity.nodeId, publicKey: identity.publicKey });
    this.#challenges = new RequestChallenges(identity);
    this.#desk = new ImageDesk({
      shelf: this.#shelf,
      session: database,
      onMissing: async (grant, key) => await this.#noteAsked(grant, key),
    });
    const markSecret = markSecretOf(identity, sha256);
    const of = { database, catalog: farmCatalog, nodeId: identity.nodeId, tier: identity.tier };
    this.#storage = new SqlReplicaStorage({ ...of, hasParent: false, clock, markSecret });
  }

  /**
   * Answers a node's request for its image, see `ImageDesk`: to one that proves itself, of its own grant, and only while its tenant is active.
   * Which images there are is not told to anyone else.
   */
  async give(request: IncomingMessage): Promise<HttpReply> {
    const { database, clock } = this.#parts;
    const node = await provenNode(database, this.#challenges, request, clock.nowMs());
    if (node === null) return unprovenReply(this.#challenges.header(clock.nowMs()));
    if ((await activeTenants(database, [node.tenant])).length === 0) throw new HayloftError("tenant-suspended");
    if (node.tier !== IMAGE_TIER) throw new HayloftError("not-found", { what: "image" });
    const grant = { tenant: node.tenant, tier: node.tier, role: "", scopes: node.scopes };
    const reply = await this.#desk.answer(request, grant, clock.nowMs());
    if (typeof reply.body !== "string") this.#parts.onOutcome("given");
    return reply;
  }

  /** Removes images that nobody may have any more and those beyond the limits, and makes those that are missing or too old. */
  async tend(): Promise<void> {
    const { database, clock, limits } = this.#parts;
    const nowMs = clock.nowMs();
    const expected = limits.keep === 0 ? [] : await expectedGrants(database, nowMs);
    const present = limits.keep === 0 ? [] : (await presentNodes(database)).map(({ grant }) => grant);
    const usable = new Set([...expected, ...present].map(keyOf));
    for (const key of this.#asked.keys()) if (!usable.has(key)) this.#asked.delete(key);
    const isUsable = ({ manifest }: ShelvedImage): boolean => usable.has(manifest.key);
    await this.#shelf.tidy(isUsable, { imagesMax: limits.keep, bytesMax: limits.bytesMax }, nowMs - LEFT_MS);
    const wanted = new Map([...expected.map((grant): [string, Grant] => [keyOf(grant), grant]), ...this.#asked]);
    for (const [key, grant] of [...wanted].slice(0, limits.keep)) {
      if (this.#stopped.signal.aborted) return;
      if ((this.#failedUntilMs.get(key) ?? 0) > nowMs || (await this.#isFresh(key, nowMs))) continue;
      if (await hasRows(database, grant.tenant, limits.rowsMin)) await this.#tryMake(key, grant);
    }
  }

  /** Makes the image of a grant now, in the place of one that is there. Null while another process makes it. Throws what `makeImage` throws. */
  async make(grant: Grant): Promise<ImageManifest | null> {
    const { identity, clock } = this.#parts;
    const draft = await this.#shelf.draft(keyOf(grant));
    if (draft === null) return null;
    try {
      const source = { node: identity.nodeId, storage: this.#storage, signal: this.#stopped.signal };
      const of = { catalog: farmCatalog, migrations: farmMigrations, grant, source, identity };
      const { manifest, signed } = await makeImage({ ...of, scratch: draft.scratch, file: draft.file, nowMs: clock.nowMs() });
      await this.#shelf.put(draft.file, manifest, signed);
      this.#asked.delete(manifest.key);
      return manifest;
    } finally {
      await draft.release();
    }
  }

  async figures(): Promise<ImageFigures> {
    const images = await this.#shelf.list();
    const bytes = images.reduce((sum, { manifest }) => sum + manifest.sizeBytes, 0);
    return { kept: images.length, bytes, sending: this.#desk.sending };
  }

  /** Ends the making of an image between two pages. */
  stop(): void {
    this.#stopped.abort();
  }

  async #isFresh(key: string, nowMs: number): Promise<boolean> {
    const { database, limits } = this.#parts;
    const image = await this.#shelf.find(key);
    if (image === null) return false;
    return (await imageState(database, image.manifest, { nowMs, tailRowsMax: limits.tailRowsMax })).state === "fresh";
  }

  async #tryMake(key: string, grant: Grant): Promise<void> {
    const { log, clock, onOutcome } = this.#parts;
    const startedMs = performance.now();
    try {
      const made = await this.make(grant);
      if (made === null) return;
      const { sizeBytes, unpackedBytes } = made;
      const details = { tenant: grant.tenant, sizeBytes, unpackedBytes, tookMs: Math.round(performance.now() - startedMs) };
      log({ level: "info", event: "image-made", peer: null, details, error: null });
      this.#failedUntilMs.delete(key);
      onOutcome("made");
    } catch (error) {
      if (!isHayloftError(error)) throw error;
      if (this.#stopped.signal.aborted) return;
      this.#failedUntilMs.set(key, clock.nowMs() + RETRY_MS);
      log({ level: "warn", event: "image-failed", peer: null, details: { tenant: grant.tenant }, error });
      onOutcome("failed");
    }
  }

  /** The next node of that grant shall find one, where it would have helped this one: a new tenant's first node brings its rows itself. */
  async #noteAsked(grant: Grant, key: string): Promise<void> {
    const { database, limits, onOutcome } = this.#parts;
    onOutcome("missing");
    // A node of another version could not use what this hub makes.
    if (this.#asked.size >= ASKED_MAX || key !== keyOf(grant)) return;
    if (await hasRows(database, grant.tenant, limits.rowsMin)) this.#asked.set(key, grant);
  }
}
