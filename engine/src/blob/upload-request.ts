import type { IncomingMessage } from "node:http";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { BlobStore } from "./blob-store.ts";

/** An upload that somebody may fill. */
export interface OpenUpload {
  readonly id: string;
  /** How long it will be; null when nobody said. */
  readonly sizeBytes: number | null;
}

export interface UploadReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const CHUNK_TYPE = "application/offset+octet-stream";
const TUS_VERSION = "1.0.0";
const OFFSET_MAX = 2 ** 48;

/** The status of what can go wrong with an upload, as tus 1.0.0 has it; others are for the caller to map. */
export const uploadStatus: Partial<Record<ErrorCode, number>> = {
  "request-invalid": 400,
  "upload-offset": 409,
  "blob-too-large": 413,
  "upload-busy": 423,
  "blob-altered": 460,
  "store-full": 507,
  "store-failed": 503,
};

/**
 * Answers `HEAD` (how far is it) and `PATCH` (add from there) of one upload, as the core of tus 1.0.0 and its checksum extension
 * say. When `PATCH` is answered with 204, the bytes are durable. A connection that breaks leaves what came; a client asks `HEAD`
 * and goes on. Throws what `BlobStore.append` throws, and `request-invalid` naming the header that is wrong.
 */
export async function answerUpload(store: BlobStore, upload: OpenUpload, request: IncomingMessage): Promise<UploadReply> {
  const reply = (status: number, offset: number): UploadReply => ({
    status,
    headers: {
      "tus-resumable": TUS_VERSION,
      "upload-offset": String(offset),
      "cache-control": "no-store",
      ...(upload.sizeBytes === null ? { "upload-defer-length": "1" } : { "upload-length": String(upload.sizeBytes) }),
    },
  });
  if (request.method === "HEAD") return reply(200, await store.received(upload.id));
  if (request.headers["content-type"] !== CHUNK_TYPE) throw invalid("content-type", CHUNK_TYPE);
  const offset = offsetOf(request);
  const lengthMax = Math.min(upload.sizeBytes ?? store.bytesMax, store.bytesMax);
  if (offset + Number(request.headers["content-length"] ?? 0) > lengthMax)
    throw new HayloftError("blob-too-large", { bytesMax: lengthMax });
  const end = await store.append(upload.id, offset, request, checksumOf(request));
  if (end <= lengthMax) return reply(204, end);
  await store.discard(upload.id);
  throw new HayloftError("blob-too-large", { bytesMax: lengthMax });
}

function offsetOf(request: IncomingMessage): number {
  const text = String(request.headers["upload-offset"] ?? "");
  const offset = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
  if (!(offset <= OFFSET_MAX)) throw invalid("upload-offset", "a whole number");
  return offset;
}

function checksumOf(request: IncomingMessage): Uint8Array | undefined {
  const text = request.headers["upload-checksum"];
  if (text === undefined) return undefined;
  const digest = /^sha256 ([\w+/-]{43}=?)$/u.exec(String(text))?.[1];
  if (digest === undefined) throw invalid("upload-checksum", "sha256 and its digest in base64");
  return Buffer.from(digest, "base64");
}

const invalid = (part: string, expected: string): HayloftError => new HayloftError("request-invalid", { part, expected });
