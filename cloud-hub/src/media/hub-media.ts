import type { IncomingMessage } from "node:http";
import type { Clock, Database, NodeIdentity } from "@hayloft/engine";
import { HayloftError, isHayloftError } from "@hayloft/engine";
import type { BlobStore, ProvenNode } from "@hayloft/engine/blob";
import { answerUpload, isGranted, provenNode, RequestChallenges } from "@hayloft/engine/blob";
import type { MediaFacts, MediaVariant } from "@hayloft/schema";
import { findMedia, mediaVariantKinds, notePresence, readMedia, wantedInCloud } from "@hayloft/schema";
import { activeTenants } from "../admin/tenants.ts";
import type { HttpReply } from "../http/http-reply.ts";
import { unprovenReply } from "../http/unproven-reply.ts";

export interface HubMediaParts {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
}

const GIGABYTE = 2 ** 30;
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The image bytes that the hub keeps: taken from nodes, shown to the administrator. */
export class HubMedia {
  readonly #parts: HubMediaParts;
  readonly #challenges: RequestChallenges;

  constructor(parts: HubMediaParts) {
    this.#parts = parts;
    this.#challenges = new RequestChallenges(parts.identity);
  }

  /**
   * Takes the bytes of one picture from a node that proves itself and may speak for the picture's barn, when the tenant keeps such
   * pictures here or somebody asked for this one. What they are is said by the picture's row, never by the request.
   */
  async take(request: IncomingMessage): Promise<HttpReply> {
    const { database, blobs, clock } = this.#parts;
    const node = await provenNode(database, this.#challenges, request, clock.nowMs());
    if (node === null) return unprovenReply(this.#challenges.header(clock.nowMs()));
    if ((await activeTenants(database, [node.tenant])).length === 0) throw new HayloftError("tenant-suspended");
    const facts = await this.#wanted(node, request);
    // The hash and the tenant: no node can add to, or learn of, what another tenant sends.
    const upload = { id: `${facts.tenant} ${facts.sha256}`, sizeBytes: facts.sizeBytes };
    if (await this.#isHere(facts)) {
      if (request.method === "HEAD") return { status: 200, body: "", headers: offsetHeader(facts.sizeBytes) };
      throw new HayloftError("upload-offset", { offset: facts.sizeBytes });
    }
    const reply = await answerUpload(blobs, upload, request);
    if ((await blobs.received(upload.id)) === facts.sizeBytes) {
      await blobs.finish(upload.id, facts);
      await notePresence(database, facts, "present", clock.nowMs());
    }
    return { status: reply.status, body: "", headers: reply.headers };
  }

  /** Shows a picture to the administrator. Throws `not-found` when its row, or its bytes, are not here. */
  async show(tenant: string, mediaId: string, variant: string): Promise<HttpReply> {
    const { database, blobs, clock } = this.#parts;
    const kind = mediaVariantKinds.find((known) => known === variant);
    if (kind === undefined || !uuidPattern.test(mediaId))
      throw new HayloftError("request-invalid", { part: "media_id or variant" });
    const facts = await findMedia(database, tenant, mediaId, kind);
    if (facts === null) throw new HayloftError("not-found", { what: "image" });
    const answer = await readMedia(database, blobs, facts, clock.nowMs());
    if (answer.state === "damaged") throw new HayloftError("blob-altered", { part: "stored" });
    if (answer.state !== "present")
      throw new HayloftError("not-found", { what: "bytes", todo: "hayloft-hub media request asks the site for them" });
    return { status: 200, body: answer.bytes, headers: { "content-type": facts.mimeType, etag: `"${facts.sha256}"` } };
  }

  /** The picture that a request is about. To a node, one that is not wanted and one that does not exist look the same. */
  async #wanted(node: ProvenNode, request: IncomingMessage): Promise<MediaFacts> {
    const { database } = this.#parts;
    const query = new URL(request.url ?? "/", "http://hub").searchParams;
    const [mediaId, variant] = [query.get("media_id") ?? "", mediaVariantKinds.find((kind) => kind === query.get("variant"))];
    if (variant === undefined || !uuidPattern.test(mediaId))
      throw new HayloftError("request-invalid", { part: "media_id or variant" });
    const facts = await findMedia(database, node.tenant, mediaId, variant);
    const granted = facts !== null && isGranted(node, { farm: facts.farm, barn: facts.barn });
    if (!granted || !(await isWanted(database, node.tenant, mediaId, variant)))
      throw new HayloftError("not-found", { what: "image" });
    await assertRoom(database, facts);
    return facts;
  }

  /** True when the bytes are here; a picture with the same bytes as another needs no second transfer. */
  async #isHere(facts: MediaFacts): Promise<boolean> {
    const { database, blobs, clock } = this.#parts;
    try {
      await blobs.read(facts.sha256);
    } catch (error) {
      // What was altered on disk is taken anew: the file is replaced when the bytes have come.
      if (isHayloftError(error, "not-found") || isHayloftError(error, "blob-altered")) return false;
      throw error;
    }
    await notePresence(database, facts, "present", clock.nowMs());
    return true;
  }
}

const offsetHeader = (sizeBytes: number): Readonly<Record<string, string>> => ({
  "tus-resumable": "1.0.0",
  "upload-offset": String(sizeBytes),
  "upload-length": String(sizeBytes),
});

async function isWanted(database: Database, tenant: string, mediaId: string, variant: MediaVariant): Promise<boolean> {
  const { rows } = await database.query(
    `select from tenants as tenant cross join (select $1::text as tenant_id, $2::uuid as media_id, $3::text as variant) as picture
     where tenant.tenant_id = $1 and ${wantedInCloud("picture")}`,
    [tenant, mediaId, variant],
  );
  return rows.length > 0;
}

async function assertRoom(database: Database, facts: MediaFacts): Promise<void> {
  const { rows } = await database.query<{ bytes: number; gigabytes: number | null }>(
    `select (select coalesce(sum(size_bytes), 0)::float8 from media_presence where tenant_id = $1 and state = 'present') as bytes,
       (select max_storage_gb from tenant_quotas where tenant_id = $1) as gigabytes`,
    [facts.tenant],
  );
  const { bytes = 0, gigabytes = null } = rows[0] ?? {};
  if (gigabytes !== null && bytes + facts.sizeBytes > gigabytes * GIGABYTE)
    throw new HayloftError("store-full", { limit: "max_storage_gb", gigabytes });
}
