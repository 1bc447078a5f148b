import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { byteRange } from "../blob/byte-range.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { grantText } from "../scope/grant-text.ts";
import type { SqlSession } from "../store/database.ts";
import { imageAge } from "./image-age.ts";
import { imageKey, type ImageKind } from "./image-kind.ts";
import type { ImageShelf, ShelvedImage } from "./image-shelf.ts";

/** An answer over HTTP. `body` is a text, or a stream that has to be read or destroyed. */
export interface ImageReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Readable;
}

export interface ImageDeskParts {
  readonly shelf: ImageShelf;
  /** Where the maker's logs are. */
  readonly session: SqlSession;
  /** Called when a node asked for an image that is not there, with its key: the node may be of another version. */
  readonly onMissing: (grant: Grant, key: string) => Promise<void>;
}

/** Images that are being sent at a time; who comes then takes the rows page by page. */
const SENDING_MAX = 8;
const RETRY_MS = 60_000;

/** The query of a request for an image of this kind. */
export const imageQuery = ({ application, catalogVersion, schema, store }: ImageKind): URLSearchParams =>
  new URLSearchParams({ application, version: String(catalogVersion), schema, store });

/** Hands images out: to a node exactly the image of the grant that it has at this moment. Bytes are read from the disk as they are sent. */
export class ImageDesk {
  readonly #parts: ImageDeskParts;
  #sending = 0;

  constructor(parts: ImageDeskParts) {
    this.#parts = parts;
  }

  /** How many images are being sent. */
  get sending(): number {
    return this.#sending;
  }

  /**
   * Answers a request of a node that has proved itself: the signed manifest, or, with `sha256` in the query, the bytes of that very image, also a
   * part of them. Throws `not-found` when there is none that the node could go on from, `limit-reached`, and `request-invalid`.
   */
  async answer(request: IncomingMessage, grant: Grant, nowMs: number): Promise<ImageReply> {
    const query = new URL(request.url ?? "/", "http://parent").searchParams;
    const key = imageKey(kindOf(query), grantText(grant));
    const image = await this.#usable(key);
    const wanted = query.get("sha256");
    if (image === null || (wanted !== null && wanted !== image.manifest.sha256)) {
      await this.#parts.onMissing(grant, key);
      throw new HayloftError("not-found", { what: "image" });
    }
    await this.#parts.shelf.touch(key, nowMs);
    if (wanted === null)
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(image.signed) };
    return await this.#bytes(request, image);
  }

  async #usable(key: string): Promise<ShelvedImage | null> {
    const image = await this.#parts.shelf.find(key);
    if (image === null || !(await imageAge(this.#parts.session, image.manifest)).followable) return null;
    return image;
  }

  async #bytes(request: IncomingMessage, { manifest }: ShelvedImage): Promise<ImageReply> {
    const { sizeBytes, sha256 } = manifest;
    const range = byteRange(request.headers.range, sizeBytes);
    const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes", etag: `"${sha256}"` };
    if (range === "outside")
      return { status: 416, headers: { ...headers, "content-range": `bytes */${String(sizeBytes)}` }, body: "" };
    if (range !== null && range.end !== sizeBytes)
      throw new HayloftError("request-invalid", { part: "range", expected: "bytes=N-" });
    if (this.#sending >= SENDING_MAX) throw new HayloftError("limit-reached", { limit: "images", retryMs: RETRY_MS });
    const start = range?.start ?? 0;
    this.#sending += 1;
    const body = await this.#parts.shelf.read(sha256, start).catch((error: unknown) => {
      this.#sending -= 1;
      throw error;
    });
    body.once("close", () => (this.#sending -= 1));
    const length = { "content-length": String(sizeBytes - start) };
    if (range === null) return { status: 200, headers: { ...headers, ...length }, body };
    const part = `bytes ${String(start)}-${String(sizeBytes - 1)}/${String(sizeBytes)}`;
    return { status: 206, headers: { ...headers, ...length, "content-range": part }, body };
  }
}

function kindOf(query: URLSearchParams): ImageKind {
  const version = query.get("version") ?? "";
  const text = (name: string): string => {
    const value = query.get(name) ?? "";
    if (value === "" || value.length > 200) throw new HayloftError("request-invalid", { part: name });
    return value;
  };
  if (!/^\d{1,9}$/u.test(version)) throw new HayloftError("request-invalid", { part: "version" });
  return { application: text("application"), catalogVersion: Number(version), schema: text("schema"), store: text("store") };
}
