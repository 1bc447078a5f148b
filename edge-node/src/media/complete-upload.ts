import { createHash } from "node:crypto";
import { isHayloftError, type SqlSession } from "@hayloft/engine";
import type { BlobId } from "@hayloft/engine/blob";
import { mediaIdOfKey, notePresence, weightSessionId } from "@hayloft/schema";
import type { MediaContext, MediaProblem, Place } from "./media-context.ts";
import { isoTime } from "./open-upload.ts";
import { makePictures, type PictureResult } from "./picture-maker.ts";

export interface Completion extends Place {
  readonly object_key: string;
  readonly mime_type: string;
  readonly size_bytes: number | null;
  readonly sha256: string | null;
  readonly captured_at: Date | null;
  readonly session_id: string | null;
  readonly station_id: string | null;
  readonly image_role: string | null;
}

interface UploadRow {
  readonly id: string;
  readonly state: "open" | "received" | "complete";
  readonly mime_type: string;
  readonly sha256: string | null;
}

type Picture = Extract<PictureResult, { readonly ok: true }>;

/**
 * Makes an upload an image: checks what came, makes the smaller pictures, and writes all rows of it in one commit, after its files
 * are durable. Doing it again changes nothing, also when the first time ended in a crash. Returns the image's id.
 */
export async function completeUpload(
  context: MediaContext,
  wanted: Completion,
): Promise<{ readonly mediaId: string } | MediaProblem> {
  const { database, blobs, tenant, settings } = context;
  const upload = await uploadOf(database, wanted);
  if (upload === null || upload.state === "complete") {
    const mediaId = upload?.id ?? (await mediaIdOfKey(database, tenant, wanted.object_key));
    return mediaId === null ? "object-not-found" : { mediaId };
  }
  const bytes = await bytesOf(context, upload);
  if (bytes === null) return "object-not-found";
  const id: BlobId = { sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length };
  if (wanted.size_bytes !== null && wanted.size_bytes !== id.sizeBytes) return "size-mismatch";
  if (wanted.sha256 !== null && wanted.sha256 !== id.sha256) return await refuse(context, upload, "checksum-mismatch");
  const picture = await makePictures(bytes, settings);
  if (!picture.ok) return await refuse(context, upload, picture.code);
  if (picture.mimeType !== wanted.mime_type) return "content-type-mismatch";
  await receive(context, upload.id, id);
  const smaller = await Promise.all(picture.smaller.map(async (item) => ({ ...item, id: await blobs.put(item.bytes) })));
  await database.transaction((tx) => writeRows(tx, context, wanted, { mediaId: upload.id, id, picture, smaller }));
  return { mediaId: upload.id };
}

async function uploadOf(session: SqlSession, wanted: Completion): Promise<UploadRow | null> {
  const { rows } = await session.query<UploadRow>(
    `select id::text as id, state, mime_type, sha256 from media_uploads
     where tenant_id = $1 and object_key = $2 and device_id = $3 and farm_id = $4 and barn_id = $5`,
    [wanted.tenant_id, wanted.object_key, wanted.device_id, wanted.farm_id, wanted.barn_id],
  );
  return rows[0] ?? null;
}

/** The bytes that came; after a crash between file and rows they are a blob already. */
async function bytesOf({ blobs }: MediaContext, upload: UploadRow): Promise<Uint8Array | null> {
  try {
    if (upload.sha256 !== null && (await blobs.size(upload.sha256)) !== null) return await blobs.read(upload.sha256);
    return await blobs.contents(upload.id);
  } catch (error) {
    if (isHayloftError(error, "not-found")) return null;
    throw error;
  }
}

/** Drops bytes that can never become an image, and the place with them. */
async function refuse(
  { database, blobs, tenant }: MediaContext,
  upload: UploadRow,
  problem: MediaProblem,
): Promise<MediaProblem> {
  await blobs.discard(upload.id);
  await database.query("delete from media_uploads where tenant_id = $1 and id = $2 and state <> 'complete'", [tenant, upload.id]);
  return problem;
}

/** The row first: after a crash it says under which hash the file went. */
async function receive({ database, blobs, tenant }: MediaContext, mediaId: string, id: BlobId): Promise<void> {
  await database.query(
    "update media_uploads set state = 'received', sha256 = $3, received_bytes = $4 where tenant_id = $1 and id = $2",
    [tenant, mediaId, id.sha256, id.sizeBytes],
  );
  // Without an upload its bytes are a blob already: `bytesOf` has read them.
  if ((await blobs.received(mediaId)) > 0) await blobs.finish(mediaId, id);
}

interface Made {
  readonly mediaId: string;
  readonly id: BlobId;
  readonly picture: Picture;
  readonly smaller: readonly (Picture["smaller"][number] & { readonly id: BlobId })[];
}

async function writeRows(tx: SqlSession, { clock, identity }: MediaContext, wanted: Completion, made: Made): Promise<void> {
  const { tenant_id: tenant, farm_id: farm, barn_id: barn } = wanted;
  const nowMs = clock.nowMs();
  const named = wanted.station_id !== null && wanted.session_id !== null;
  await tx.query(
    `insert into media_objects (tenant_id, id, farm_id, barn_id, device_id, station_id, session_id, weight_session_id, bucket, object_key,
       mime_type, size_bytes, sha256, width_px, height_px, image_role, captured_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) on conflict do nothing`,
    [
      tenant,
      made.mediaId,
      farm,
      barn,
      wanted.device_id,
      wanted.station_id,
      wanted.session_id,
      named ? weightSessionId(tenant, wanted.station_id ?? "", wanted.session_id ?? "") : null,
      identity.nodeId,
      wanted.object_key,
      made.picture.mimeType,
      made.id.sizeBytes,
      made.id.sha256,
      made.picture.widthPx,
      made.picture.heightPx,
      wanted.image_role,
      (wanted.captured_at ?? new Date(nowMs)).toISOString(),
      isoTime(nowMs),
    ],
  );
  for (const { kind, mimeType, widthPx, heightPx, id } of made.smaller) {
    await tx.query(
      `insert into media_variants (tenant_id, media_id, kind, farm_id, barn_id, mime_type, width_px, height_px, size_bytes, sha256, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing`,
      [tenant, made.mediaId, kind, farm, barn, mimeType, widthPx, heightPx, id.sizeBytes, id.sha256, isoTime(nowMs)],
    );
  }
  const held = [{ variant: "original", id: made.id } as const, ...made.smaller.map(({ kind, id }) => ({ variant: kind, id }))];
  for (const { variant, id } of held) await notePresence(tx, { tenant, mediaId: made.mediaId, variant, ...id }, "present", nowMs);
  await tx.query("update media_uploads set state = 'complete' where tenant_id = $1 and id = $2", [tenant, made.mediaId]);
  await tx.query(
    "update session_media_bindings set is_bound = true where tenant_id = $1 and media_object_id = $2 and not is_bound",
    [tenant, made.mediaId],
  );
}
