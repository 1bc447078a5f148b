import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { NodeIdentity, SqlSession } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import type { OpenUpload } from "@hayloft/engine/blob";
import type { ImageType } from "./picture-maker.ts";
import type { MediaContext, MediaProblem, Place } from "./media-context.ts";

export const UPLOAD_MS = 900_000;
const OPEN_MAX = 500;
const extensions: Readonly<Record<ImageType, string>> = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };

export interface UploadPlace {
  readonly mediaId: string;
  readonly objectKey: string;
  readonly uploadPath: string;
}

/** Makes links to uploads that only this node can have made: whoever has one may fill that upload, and nothing else. */
export class UploadLinks {
  readonly #secret: Buffer;

  constructor(identity: NodeIdentity) {
    this.#secret = createHash("sha256")
      .update(identity.sign(Buffer.from("hayloft/1 secret of upload links")))
      .digest();
  }

  path(mediaId: string): string {
    return `/api/v1/media/uploads/${mediaId}?key=${this.#key(mediaId)}`;
  }

  isOurs(mediaId: string, key: string): boolean {
    const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
    return timingSafeEqual(digest(key), digest(this.#key(mediaId)));
  }

  #key(mediaId: string): string {
    return createHmac("sha256", this.#secret).update(mediaId).digest("base64url");
  }
}

/**
 * Hands out a place for an image. The image's id is made here, so a device knows it before it sends a byte. Refuses when the device
 * began too many in the last minute, when too many are open, and when the disk is nearly full.
 */
export async function openUpload(
  { database, clock, settings, freeBytes }: MediaContext,
  links: UploadLinks,
  place: Place,
  mimeType: ImageType,
): Promise<UploadPlace | MediaProblem> {
  if ((await freeBytes()) < settings.freeBytesMin) return "disk-full";
  const nowMs = clock.nowMs();
  const mediaId = newId();
  const objectKey = objectKeyOf(place, mediaId, mimeType, nowMs);
  return await database.transaction(async (tx) => {
    const { rows } = await tx.query<{ recent: number; open: number }>(
      `select count(*) filter (where device_id = $2 and created_at > $3)::int as recent,
         count(*) filter (where state <> 'complete' and expires_at > $4)::int as open from media_uploads where tenant_id = $1`,
      [place.tenant_id, place.device_id, isoTime(nowMs - 60_000), isoTime(nowMs)],
    );
    const { recent = 0, open = 0 } = rows[0] ?? {};
    if (recent >= settings.uploadsPerMinute || open >= OPEN_MAX) return "too-many-uploads";
    await tx.query(
      `insert into media_uploads (tenant_id, id, farm_id, barn_id, device_id, object_key, mime_type, state, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9)`,
      [
        place.tenant_id,
        mediaId,
        place.farm_id,
        place.barn_id,
        place.device_id,
        objectKey,
        mimeType,
        isoTime(nowMs),
        isoTime(nowMs + UPLOAD_MS),
      ],
    );
    return { mediaId, objectKey, uploadPath: links.path(mediaId) };
  });
}

/** The upload behind a link, while it may still be filled; null when it has expired, is complete, or never was. */
export async function fillableUpload(
  session: SqlSession,
  tenant: string,
  mediaId: string,
  nowMs: number,
): Promise<OpenUpload | null> {
  // Each request moves the end: a large image over a bad link is not cut off while it makes progress.
  const { affected } = await session.query(
    "update media_uploads set expires_at = $3 where tenant_id = $1 and id = $2 and state = 'open' and expires_at > $4",
    [tenant, mediaId, isoTime(nowMs + UPLOAD_MS), isoTime(nowMs)],
  );
  return affected === 0 ? null : { id: mediaId, sizeBytes: null };
}

function objectKeyOf(place: Place, mediaId: string, mimeType: ImageType, nowMs: number): string {
  const segment = (text: string): string => text.replaceAll(/[^\w.-]/g, "_");
  const [day = ""] = isoTime(nowMs).split("T");
  const ids = ["tenants", place.tenant_id, "farms", place.farm_id, "barns", place.barn_id, "devices", place.device_id];
  return `${ids.map(segment).join("/")}/images/${day.replaceAll("-", "/")}/${mediaId}.${extensions[mimeType]}`;
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();
