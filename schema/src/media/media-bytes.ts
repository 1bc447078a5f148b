import type { SqlSession } from "@hayloft/engine";
import { isHayloftError } from "@hayloft/engine";
import type { BlobStore } from "@hayloft/engine/blob";

/** The pictures of an image: as it was taken, and two smaller ones. */
export const mediaVariantKinds = ["original", "preview", "thumbnail"] as const;
export type MediaVariant = (typeof mediaVariantKinds)[number];

/** What the replicated rows say of one picture. */
export interface MediaFacts {
  readonly tenant: string;
  readonly mediaId: string;
  readonly variant: MediaVariant;
  readonly farm: string;
  readonly barn: string;
  readonly objectKey: string;
  readonly mimeType: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Where the bytes of a picture are, seen from one node. */
export type MediaAnswer =
  | { readonly state: "present"; readonly bytes: Uint8Array }
  /** Known, and its bytes are not on this node. */
  | { readonly state: "elsewhere" }
  /** What this node has no longer hashes to what the row says. */
  | { readonly state: "damaged" };

const FACTS = `media.tenant_id as tenant, media.id::text as "mediaId", media.farm_id as farm, media.barn_id as barn, media.object_key as "objectKey"`;

/** One picture by its image's id, or null when no row says so. */
export async function findMedia(
  session: SqlSession,
  tenant: string,
  mediaId: string,
  variant: MediaVariant,
): Promise<MediaFacts | null> {
  const sql =
    variant === "original"
      ? `select ${FACTS}, 'original' as variant, media.mime_type as "mimeType", media.sha256, media.size_bytes::float8 as "sizeBytes"
         from media_objects as media where media.tenant_id = $1 and media.id = $2::uuid and $3::text = 'original'`
      : `select ${FACTS}, smaller.kind as variant, smaller.mime_type as "mimeType", smaller.sha256, smaller.size_bytes::float8 as "sizeBytes"
         from media_objects as media join media_variants as smaller on smaller.tenant_id = media.tenant_id and smaller.media_id = media.id
         where media.tenant_id = $1 and media.id = $2::uuid and smaller.kind = $3`;
  return (await session.query<MediaFacts>(sql, [tenant, mediaId, variant])).rows[0] ?? null;
}

/** The id of the image that was stored under a key, or null. */
export async function mediaIdOfKey(session: SqlSession, tenant: string, objectKey: string): Promise<string | null> {
  const { rows } = await session.query<{ id: string }>(
    "select id::text as id from media_objects where tenant_id = $1 and object_key = $2",
    [tenant, objectKey],
  );
  return rows[0]?.id ?? null;
}

/** Notes what this node holds of a picture. */
export async function notePresence(
  session: SqlSession,
  facts: Pick<MediaFacts, "tenant" | "mediaId" | "variant" | "sha256" | "sizeBytes">,
  state: "present" | "missing" | "damaged",
  nowMs: number,
): Promise<void> {
  await session.query(
    `insert into media_presence (tenant_id, media_id, variant, state, sha256, size_bytes, verified_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $7)
     on conflict (tenant_id, media_id, variant) do update set state = excluded.state, sha256 = excluded.sha256,
       size_bytes = excluded.size_bytes, verified_at = excluded.verified_at, updated_at = excluded.updated_at`,
    [facts.tenant, facts.mediaId, facts.variant, state, facts.sha256, facts.sizeBytes, new Date(nowMs).toISOString()],
  );
}

/** Reads a picture's bytes, checked against the hash that its row says, and notes what was found out about them. */
export async function readMedia(session: SqlSession, blobs: BlobStore, facts: MediaFacts, nowMs: number): Promise<MediaAnswer> {
  try {
    return { state: "present", bytes: await blobs.read(facts.sha256) };
  } catch (error) {
    const known = "select from media_presence where tenant_id = $1 and media_id = $2 and variant = $3";
    if (isHayloftError(error, "blob-altered")) {
      await notePresence(session, facts, "damaged", nowMs);
      return { state: "damaged" };
    }
    if (!isHayloftError(error, "not-found")) throw error;
    const held = await session.query(known, [facts.tenant, facts.mediaId, facts.variant]);
    if (held.rows.length > 0) await notePresence(session, facts, "missing", nowMs);
    return { state: "elsewhere" };
  }
}
