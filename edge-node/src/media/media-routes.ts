import type { IncomingMessage } from "node:http";
import { isHayloftError } from "@hayloft/engine";
import { answerUpload, byteRange, uploadStatus } from "@hayloft/engine/blob";
import { findMedia, mediaIdOfKey, type MediaVariant, mediaVariantKinds, readMedia } from "@hayloft/schema";
import * as v from "valibot";
import { errorReply, type HttpReply, json, type Route } from "../http/http-routes.ts";
import type { MediaFigures } from "@hayloft/schema";
import type { Caller, MediaAuthority } from "./media-authority.ts";
import { type Completion, completeUpload } from "./complete-upload.ts";
import { type MediaContext, type MediaProblem, mediaProblem, type Place } from "./media-context.ts";
import { fillableUpload, openUpload, UPLOAD_MS, UploadLinks } from "./open-upload.ts";

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const imageType = v.picklist(["image/jpeg", "image/png", "image/webp"]);
const place = { tenant_id: id, farm_id: id, barn_id: id, device_id: id };
const presignBody = v.object({ ...place, content_type: v.string(), filename: v.optional(v.pipe(v.string(), v.maxLength(255))) });
const completeBody = v.object({
  ...place,
  object_key: v.pipe(v.string(), v.minLength(1), v.maxLength(1024)),
  mime_type: imageType,
  size_bytes: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(1)), null),
  sha256: v.nullish(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")), null),
  captured_at: v.nullish(v.pipe(v.string(), v.isoTimestamp(), v.toDate()), null),
  session_id: v.nullish(id, null),
  station_id: v.nullish(id, null),
  image_role: v.nullish(v.pipe(v.string(), v.maxLength(64)), null),
});
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface MediaPort {
  readonly context: MediaContext;
  readonly authority: MediaAuthority;
  /** Runs work that makes or removes blobs, one at a time. */
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;
  figures(): Promise<MediaFigures>;
}

/**
 * Images over HTTP: a device asks for a place, sends the bytes (at once by PUT, or in parts by tus: HEAD and PATCH), and completes the
 * upload. Reading needs the admin token.
 */
export function mediaRoutes(media: MediaPort): readonly Route[] {
  const links = new UploadLinks(media.context.identity);
  const { context } = media;
  const upload = (method: "PUT" | "HEAD" | "PATCH"): Route => ({
    method,
    path: "/api/v1/media/uploads/:id",
    admin: false,
    answer: async ({ raw, query }, { id: mediaId = "" }) =>
      await fill(context, links, raw, mediaId.toLowerCase(), query.get("key") ?? ""),
  });
  const read = (path: string, answer: Route["answer"]): Route => ({ method: "GET", path, admin: true, answer });
  return [
    {
      method: "POST",
      path: "/api/v1/media/images/presign",
      admin: false,
      answer: async ({ raw, body }) =>
        await asDevice(media, raw, presignBody, body, async (wanted, caller) => await presign(media, links, wanted, caller)),
    },
    {
      method: "POST",
      path: "/api/v1/media/images/complete",
      admin: false,
      answer: async ({ raw, body }) =>
        await asDevice(media, raw, completeBody, body, async (wanted, caller) => await complete(media, wanted, caller)),
    },
    upload("PUT"),
    upload("HEAD"),
    upload("PATCH"),
    { method: "GET", path: "/api/v1/media/stats", admin: false, answer: async () => json(await media.figures()) },
    read("/api/v1/media/objects/by-key", async ({ raw, query }) => {
      const mediaId = await mediaIdOfKey(context.database, context.tenant, query.get("object_key") ?? "");
      return mediaId === null ? notFound() : await show(context, raw, mediaId, query);
    }),
    read("/api/v1/media/objects/:id", async ({ raw, query }, { id: mediaId = "" }) => await show(context, raw, mediaId, query)),
    read("/api/v1/media/objects/:id/meta", async (_request, { id: mediaId = "" }) => await meta(context, mediaId)),
  ];
}

const notFound = (): HttpReply => errorReply(404, "not-found", "No image has that id or key on this node.");

/** Checks who asks and what for, then does it. */
async function asDevice<Body extends v.GenericSchema<unknown, Place>>(
  { context, authority }: MediaPort,
  request: IncomingMessage,
  schema: Body,
  body: unknown,
  work: (wanted: v.InferOutput<Body>, caller: Caller) => Promise<HttpReply | MediaProblem>,
): Promise<HttpReply> {
  const caller = await authority.callerOf(request);
  if (caller === null) {
    const reply = errorReply(401, "unauthorized", "Log in with the device's account, as at the broker, or sign as a node.");
    return { ...reply, headers: { "www-authenticate": authority.challenge() } };
  }
  const parsed = v.safeParse(schema, body);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return errorReply(400, "request-invalid", `${v.getDotPath(issue) ?? "body"}: ${issue.message}`);
  }
  if (parsed.output.tenant_id !== context.tenant) return mediaProblem("tenant-mismatch");
  const result = await work(parsed.output, caller);
  return typeof result === "string" ? mediaProblem(result) : result;
}

async function presign(
  { context, authority }: MediaPort,
  links: UploadLinks,
  wanted: v.InferOutput<typeof presignBody>,
  caller: Caller,
): Promise<HttpReply | MediaProblem> {
  const type = v.safeParse(imageType, wanted.content_type);
  if (!type.success) return "unsupported-content-type";
  const { filename } = wanted;
  if (filename !== undefined && /[/\\]|\.\./.test(filename))
    return errorReply(400, "request-invalid", "filename: must be a name without a path");
  if (!(await authority.mayUpload(context.database, caller, wanted, null))) return "not-allowed";
  const opened = await openUpload(context, links, wanted, type.output);
  if (typeof opened === "string") return opened;
  return json({
    media_id: opened.mediaId,
    object_key: opened.objectKey,
    upload_url: opened.uploadPath,
    method: "PUT",
    headers: { "content-type": type.output },
    expires_in: UPLOAD_MS / 1_000,
    max_bytes: context.blobs.bytesMax,
  });
}

async function complete(
  { context, authority, inTurn }: MediaPort,
  wanted: Completion,
  caller: Caller,
): Promise<HttpReply | MediaProblem> {
  if (!(await authority.mayUpload(context.database, caller, wanted, wanted.station_id))) return "not-allowed";
  const done = await inTurn(async () => await completeUpload(context, wanted));
  if (typeof done === "string") return done;
  const facts = await findMedia(context.database, context.tenant, done.mediaId, "original");
  if (facts === null) return "object-not-found";
  const { mediaId, objectKey, sha256, sizeBytes, mimeType } = facts;
  return json({ media_id: mediaId, object_key: objectKey, etag: sha256, sha256, size_bytes: sizeBytes, mime_type: mimeType });
}

/** Takes bytes of an upload. PUT is all of it at once: it begins anew. */
async function fill(
  { database, blobs, tenant, clock }: MediaContext,
  links: UploadLinks,
  request: IncomingMessage,
  mediaId: string,
  key: string,
): Promise<HttpReply> {
  const ours = uuid.test(mediaId) && links.isOurs(mediaId, key);
  const upload = ours ? await fillableUpload(database, tenant, mediaId, clock.nowMs()) : null;
  if (upload === null) return mediaProblem("upload-expired");
  try {
    if (request.method !== "PUT") {
      const { status, headers } = await answerUpload(blobs, upload, request);
      return { status, contentType: "text/plain", body: "", headers };
    }
    await blobs.discard(upload.id);
    return json({ received_bytes: await blobs.append(upload.id, 0, request) });
  } catch (error) {
    const status = isHayloftError(error) ? uploadStatus[error.code] : undefined;
    if (!isHayloftError(error) || status === undefined) throw error;
    return errorReply(status, error.code, error.message);
  }
}

async function show(
  context: MediaContext,
  request: IncomingMessage,
  mediaId: string,
  query: URLSearchParams,
): Promise<HttpReply> {
  const variant = variantOf(query.get("variant"));
  if (variant === null) return errorReply(400, "request-invalid", `variant: must be one of ${mediaVariantKinds.join(", ")}`);
  const { database, blobs, tenant, clock } = context;
  const facts = uuid.test(mediaId) ? await findMedia(database, tenant, mediaId, variant) : null;
  if (facts === null) return notFound();
  const answer = await readMedia(database, blobs, facts, clock.nowMs());
  if (answer.state !== "present") return mediaProblem(answer.state === "damaged" ? "bytes-damaged" : "bytes-elsewhere");
  const { bytes } = answer;
  const range = byteRange(request.headers.range, bytes.length);
  const etag = `"${facts.sha256}"`;
  const headers = { "accept-ranges": "bytes", etag, "content-length": String(bytes.length) };
  const whole = { contentType: facts.mimeType, headers };
  if (request.headers["if-none-match"] === etag) return { status: 304, contentType: facts.mimeType, body: "", headers: { etag } };
  if (range === null) return { ...whole, status: 200, body: bytes };
  const size = { "content-range": `bytes */${String(bytes.length)}` };
  if (range === "outside") return { ...errorReply(416, "request-invalid", "There is nothing in that range."), headers: size };
  const part = { "content-range": `bytes ${String(range.start)}-${String(range.end - 1)}/${String(bytes.length)}` };
  const length = { "content-length": String(range.end - range.start) };
  return { ...whole, status: 206, body: bytes.subarray(range.start, range.end), headers: { ...headers, ...part, ...length } };
}

async function meta({ database, tenant }: MediaContext, mediaId: string): Promise<HttpReply> {
  if (!uuid.test(mediaId)) return notFound();
  const found = await Promise.all(mediaVariantKinds.map(async (kind) => await findMedia(database, tenant, mediaId, kind)));
  const { rows } = await database.query<{ variant: string; state: string; is_at_parent: boolean }>(
    "select variant, state, is_at_parent from media_presence where tenant_id = $1 and media_id = $2",
    [tenant, mediaId],
  );
  const pictures = found
    .filter((facts) => facts !== null)
    .map(({ variant, mimeType, sha256, sizeBytes }) => {
      const held = rows.find((row) => row.variant === variant);
      return { variant, mimeType, sha256, sizeBytes, here: held?.state ?? "elsewhere", inCloud: held?.is_at_parent ?? false };
    });
  return found[0] === null ? notFound() : json({ ...found[0], pictures });
}

const variantOf = (text: string | null): MediaVariant | null =>
  text === null ? "original" : (mediaVariantKinds.find((kind) => kind === text) ?? null);
