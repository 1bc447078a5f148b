import type { SqlSession } from "@hayloft/engine";
import type { BlobStore } from "@hayloft/engine/blob";
import { findMedia, type MediaVariant, readMedia } from "./media-bytes.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Hashes asked for in one statement. */
const HASHES_MAX = 200;

/** What a node has and lacks of the pictures that it knows. Counts are of pictures: an image has up to three. */
export interface MediaFigures {
  readonly present: number;
  readonly presentBytes: number;
  /** Were here and are gone. */
  readonly missing: number;
  /** Are here and hash to something else. */
  readonly damaged: number;
  /** Known by their rows, and wanted here, and not here yet. */
  readonly awaited: number;
}

const pictures = `(select tenant_id, id as media_id, 'original' as variant from media_objects
  union all select tenant_id, media_id, kind from media_variants)`;

/**
 * Counts what is here. At the hub only what the tenant keeps in the cloud, or what was asked for, is awaited; at an edge all that
 * it knows.
 */
export async function mediaFigures(session: SqlSession, at: "cloud" | "edge"): Promise<MediaFigures> {
  const wanted = at === "edge" ? "true" : wantedInCloud("picture");
  const { rows } = await session.query<MediaFigures>(
    `select count(*) filter (where state = 'present')::int as present,
       coalesce(sum(size_bytes) filter (where state = 'present'), 0)::float8 as "presentBytes",
       count(*) filter (where state = 'missing')::int as missing, count(*) filter (where state = 'damaged')::int as damaged,
       (select count(*)::int from ${pictures} as picture join tenants as tenant on tenant.tenant_id = picture.tenant_id
        where ${wanted} and not exists (select from media_presence as held where held.tenant_id = picture.tenant_id
          and held.media_id = picture.media_id and held.variant = picture.variant)) as awaited
     from media_presence`,
  );
  return rows[0] ?? { present: 0, presentBytes: 0, missing: 0, damaged: 0, awaited: 0 };
}

/** The condition under which the hub wants a picture; `tenant` must be its tenant's row. */
export const wantedInCloud = (picture: string): string =>
  `(tenant.cloud_media = 'all' or (tenant.cloud_media = 'variants' and ${picture}.variant <> 'original')
    or exists (select from media_requests as wish where wish.tenant_id = ${picture}.tenant_id and wish.media_id = ${picture}.media_id
      and wish.variant = ${picture}.variant))`;

/**
 * Removes files that no row speaks of: what a crash between a file and its row left, and what outlived its row. A file is left
 * alone for an hour, because its row may still be on its way. Returns how many were removed.
 */
export async function sweepMedia(session: SqlSession, blobs: BlobStore, nowMs: number): Promise<number> {
  let removed = 0;
  let batch: string[] = [];
  const sweep = async (): Promise<void> => {
    const { rows } = await session.query<{ sha256: string }>(
      `select given.sha256 from unnest($1::text[]) as given (sha256) where not exists (
         select from tenants as tenant join media_objects as media on media.tenant_id = tenant.tenant_id where media.sha256 = given.sha256)
       and not exists (select from tenants as tenant join media_variants as smaller on smaller.tenant_id = tenant.tenant_id
         where smaller.sha256 = given.sha256)
       and not exists (select from media_uploads as upload where upload.sha256 = given.sha256 and upload.state = 'received')`,
      [batch],
    );
    for (const { sha256 } of rows) await blobs.remove(sha256, nowMs - HOUR_MS);
    removed += rows.length;
    batch = [];
  };
  for await (const sha256 of blobs.hashes(nowMs - HOUR_MS)) {
    batch.push(sha256);
    if (batch.length >= HASHES_MAX) await sweep();
  }
  if (batch.length > 0) await sweep();
  await session.query(
    `delete from media_presence as held where not exists (select from ${pictures} as picture
       where picture.tenant_id = held.tenant_id and picture.media_id = held.media_id and picture.variant = held.variant)`,
  );
  return removed;
}

/**
 * Hashes the pictures that were not checked for the longest time, at most `limit`, and notes what is damaged or gone. Returns how
 * many were checked.
 */
export async function verifyMedia(session: SqlSession, blobs: BlobStore, nowMs: number, limit: number): Promise<number> {
  const { rows } = await session.query<{ readonly tenant: string; readonly media: string; readonly variant: MediaVariant }>(
    `select tenant_id as tenant, media_id::text as media, variant from media_presence
     where state = 'present' and verified_at < $1 order by verified_at limit $2`,
    [new Date(nowMs - 30 * DAY_MS).toISOString(), limit],
  );
  for (const { tenant, media, variant } of rows) {
    const facts = await findMedia(session, tenant, media, variant);
    if (facts === null) continue;
    const { state } = await readMedia(session, blobs, facts, nowMs);
    if (state !== "present") continue;
    await session.query("update media_presence set verified_at = $4 where tenant_id = $1 and media_id = $2 and variant = $3", [
      tenant,
      media,
      variant,
      new Date(nowMs).toISOString(),
    ]);
  }
  return rows.length;
}
