import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";

export interface MediaAccess {
  /** Where the edge answers HTTP. */
  readonly url: string;
  /** The device's account at the broker, which serves here too; null where devices need none. */
  readonly login: { readonly username: string; readonly password: string } | null;
}

export interface ImageToUpload {
  readonly place: { readonly tenant_id: string; readonly farm_id: string; readonly barn_id: string; readonly device_id: string };
  readonly station: string;
  readonly session: string;
  readonly role: string;
  readonly capturedAt: Date;
  readonly bytes: Uint8Array;
}

export interface UploadedImage {
  readonly mediaId: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

const CONTENT_TYPE = "image/png";
const RETRY_MS = 1_000;
const CALL_TIMEOUT_MS = 20_000;

interface Place {
  readonly mediaId: string;
  readonly objectKey: string;
  readonly url: string;
}

/**
 * Brings an image to the edge as a station does: asks for a place, sends the bytes from where the edge has them, completes. Tries again
 * for ever, over restarts of the edge too; returns null when `signal` ends it. A place that the edge no longer knows is asked for anew.
 */
export async function uploadImage(access: MediaAccess, image: ImageToUpload, signal: AbortSignal): Promise<UploadedImage | null> {
  let place: Place | null = null;
  while (!signal.aborted) {
    try {
      place ??= await askForPlace(access, image, signal);
      await sendRest(place, image.bytes, signal);
      return await complete(access, image, place, signal);
    } catch (error) {
      if (error instanceof GoneError) place = null;
      await setTimeout(RETRY_MS, null, { signal }).catch(() => null);
    }
  }
  return null;
}

/** The edge does not know the place any more, or will not have what was sent there. */
class GoneError extends Error {}

async function askForPlace(access: MediaAccess, { place }: ImageToUpload, signal: AbortSignal): Promise<Place> {
  const answer = await post(access, "presign", { ...place, content_type: CONTENT_TYPE, filename: "image.png" }, signal);
  const { media_id: mediaId, object_key: objectKey, upload_url: path } = answer;
  return { mediaId: String(mediaId), objectKey: String(objectKey), url: new URL(String(path), access.url).href };
}

async function sendRest({ url }: Place, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const asked = await fetch(url, { method: "HEAD", signal: timed(signal) });
  if (asked.status === 410) throw new GoneError();
  const offset = Number(asked.headers.get("upload-offset") ?? Number.NaN);
  if (!(offset < bytes.length)) return;
  const rest = bytes.slice(offset);
  const digest = createHash("sha256").update(rest).digest("base64");
  const headers = {
    "content-type": "application/offset+octet-stream",
    "upload-offset": String(offset),
    "upload-checksum": `sha256 ${digest}`,
  };
  const sent = await fetch(url, { method: "PATCH", headers, body: new Uint8Array(rest), signal: timed(signal) });
  if (sent.status !== 204) throw new Error(`the edge answered ${String(sent.status)}`);
}

async function complete(access: MediaAccess, image: ImageToUpload, place: Place, signal: AbortSignal): Promise<UploadedImage> {
  const sha256 = createHash("sha256").update(image.bytes).digest("hex");
  const said = {
    ...image.place,
    object_key: place.objectKey,
    mime_type: CONTENT_TYPE,
    size_bytes: image.bytes.length,
    sha256,
    captured_at: image.capturedAt.toISOString(),
    session_id: image.session,
    station_id: image.station,
    image_role: image.role,
  };
  await post(access, "complete", said, signal);
  return { mediaId: place.mediaId, sha256, sizeBytes: image.bytes.length };
}

async function post(access: MediaAccess, what: string, body: object, signal: AbortSignal): Promise<Record<string, unknown>> {
  const { login } = access;
  const basic = login === null ? null : Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const response = await fetch(new URL(`/api/v1/media/images/${what}`, access.url), {
    method: "POST",
    headers: { "content-type": "application/json", ...(basic === null ? {} : { authorization: `Basic ${basic}` }) },
    body: JSON.stringify(body),
    signal: timed(signal),
  });
  if (response.status === 200) return (await response.json()) as Record<string, unknown>;
  if (what === "complete" && response.status >= 400 && response.status < 500) throw new GoneError();
  throw new Error(`the edge answered ${String(response.status)}`);
}

const timed = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
