import type { Clock, Database, NodeIdentity } from "@hayloft/engine";
import type { BlobStore } from "@hayloft/engine/blob";
import type { HttpReply } from "../http/http-routes.ts";
import { errorReply } from "../http/http-routes.ts";
import type { PictureSettings } from "./picture-maker.ts";

interface MediaSettings extends PictureSettings {
  readonly uploadsPerMinute: number;
  readonly freeBytesMin: number;
}

/** What the parts of the media store share. */
export interface MediaContext {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly tenant: string;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly settings: MediaSettings;
  /** Bytes that the disk of the store has free. */
  readonly freeBytes: () => Promise<number>;
}

/** Where a place for an upload is asked, and who asks. */
export interface Place {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly device_id: string;
}

const problems = {
  "tenant-mismatch": [403, "This node serves another tenant."],
  "not-allowed": [
    403,
    "The device may not send images here: it must be in the allowlist of this barn, enabled, and not blocked.",
  ],
  "unsupported-content-type": [400, "Only JPEG, PNG and WebP images are taken; the bytes are of another type."],
  "content-type-mismatch": [409, "The bytes are an image of another type than was said. Say the right type."],
  "too-many-pixels": [400, "The image has more than 50 million pixels. Send a smaller one."],
  "unreadable-image": [400, "The image is damaged or incomplete. Take it again, or send it again from its source."],
  "object-not-found": [
    404,
    "There is no upload with that key, or no byte of it has come. Ask for a new place and send the image again.",
  ],
  "size-mismatch": [409, "Not as many bytes are here as were said. Ask HEAD how many, and send the rest."],
  "checksum-mismatch": [409, "The bytes are not those whose hash was said; they were dropped. Send the image again."],
  "upload-expired": [410, "The place for this upload has expired or its link is not ours. Ask for a new one."],
  "too-many-uploads": [429, "Too many uploads are open, or were begun in the last minute. Complete those, or wait a minute."],
  "disk-full": [507, "This node's disk is nearly full, so it takes no images. Make room; readings and sessions are still taken."],
  "bytes-elsewhere": [
    404,
    "The image is known, and its bytes are not on this node. They are where it was taken, or in the cloud.",
  ],
  "bytes-damaged": [410, "The bytes of the image were altered on this node's disk and are not shown. Check the disk."],
} as const satisfies Readonly<Record<string, readonly [number, string]>>;

export type MediaProblem = keyof typeof problems;

/** The answer for a problem: its code for programs, and what a person can do. */
export function mediaProblem(code: MediaProblem): HttpReply {
  const [status, message] = problems[code];
  return errorReply(status, code, message);
}
