import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { diskError } from "../blob/disk-error.ts";
import { type SignedTarget, SigningCaller } from "../blob/signing-caller.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { readGrantText } from "../scope/grant-text.ts";
import { imageQuery } from "./image-desk.ts";
import { imageKey, type ImageKind } from "./image-kind.ts";
import { type ImageManifest, MANIFEST_BYTES_MAX, parseSigned, readManifest } from "./image-manifest.ts";

/** Where images come from. */
export interface ImageParent extends SignedTarget {
  /** The parent, which must have made and signed the image. */
  readonly node: string;
  readonly publicKey: Uint8Array;
}

export interface ImageWish {
  readonly kind: ImageKind;
  /** The tier of whoever takes it. */
  readonly tier: string;
  /** Largest image taken, packed and unpacked. */
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

const SILENT_MS = 30_000;
/** A parent that cannot be reached shall not keep a node from its work for long. */
const ASK_MS = 10_000;
const ATTEMPTS = 5;

/**
 * Asks the parent which image it has for this node. Throws `not-found` when there is none, `auth-failed`, `unavailable`, and `image-invalid` for one
 * that the parent has not signed, or that is not for this node.
 */
export async function askForImage(parent: ImageParent, wish: ImageWish): Promise<ImageManifest> {
  const answer = await new SigningCaller(parent, wish.signal, { silentMs: ASK_MS, wholeMs: ASK_MS }).open({
    method: "GET",
    url: addressOf(parent, wish),
  });
  const body = await shortBody(answer);
  refuseStatus(answer, [200]);
  const manifest = readManifest(parseSigned(body), parent);
  const grant = readGrantText(manifest.granted);
  const { key, sizeBytes, unpackedBytes } = manifest;
  const isOurs = grant.tenant === parent.tenant && grant.tier === wish.tier && key === imageKey(wish.kind, manifest.granted);
  if (!isOurs) throw new HayloftError("image-invalid", { reason: "for another node" });
  if (sizeBytes > wish.bytesMax || unpackedBytes > wish.bytesMax)
    throw new HayloftError("image-invalid", { reason: "too large" });
  return manifest;
}

/**
 * Brings an image into `file`, which may hold the beginning of it already: then only the rest comes. A connection that breaks is made again,
 * a few times as long as something came. When it resolves, the file has the manifest's hash; what a power cut takes of it shows
 * by that when it is gone on with. Throws `unavailable` when the rest may come later, `not-found` when the
 * parent has another image by now, and `image-invalid` for other bytes, which are removed.
 */
export async function fetchImage(parent: ImageParent, wish: ImageWish, manifest: ImageManifest, file: string): Promise<void> {
  const caller = callerOf(parent, wish);
  const url = addressOf(parent, wish);
  url.searchParams.set("sha256", manifest.sha256);
  const here = (await stat(file).catch(() => null))?.size ?? 0;
  if (here > manifest.sizeBytes) await rm(file, { force: true });
  const handle = await open(file, "a", 0o600);
  const part = { handle, hash: createHash("sha256"), end: 0 };
  try {
    part.end = await hashSoFar(part.hash, file);
    for (let attempt = 1, before = part.end; part.end < manifest.sizeBytes; attempt += 1) {
      await fetchRest(caller, url, manifest, part).catch((error: unknown) => {
        if (part.end > before) attempt = 0;
        before = part.end;
        if (attempt >= ATTEMPTS || wish.signal.aborted || !(error instanceof HayloftError && error.code === "unavailable"))
          throw error;
      });
    }
  } finally {
    await handle.close();
  }
  if (part.hash.digest("hex") === manifest.sha256) return;
  await rm(file, { force: true });
  throw new HayloftError("image-invalid", { reason: "its bytes are others than were signed" });
}

interface Part {
  readonly handle: FileHandle;
  readonly hash: Hash;
  end: number;
}

async function fetchRest(caller: SigningCaller, url: URL, { sizeBytes }: ImageManifest, part: Part): Promise<void> {
  const start = part.end;
  const headers = start === 0 ? {} : { range: `bytes=${String(start)}-` };
  const answer = await caller.open({ method: "GET", url, headers });
  const from = /^bytes (\d{1,15})-/u.exec(answer.headers["content-range"] ?? "")?.[1];
  try {
    refuseStatus(answer, [start === 0 ? 200 : 206]);
    if (start > 0 && Number(from) !== start)
      throw new HayloftError("image-invalid", { reason: "another part than was asked for" });
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (part.end + chunk.length > sizeBytes) throw new HayloftError("image-invalid", { reason: "longer than was signed" });
      for (let done = 0; done < chunk.length;) done += (await part.handle.write(chunk, done)).bytesWritten;
      part.hash.update(chunk);
      part.end += chunk.length;
    }
  } catch (error) {
    const known = diskError(error, "image");
    throw known instanceof HayloftError ? known : new HayloftError("unavailable", { reason: "the download broke off" }, error);
  } finally {
    answer.destroy();
  }
}

async function hashSoFar(hash: Hash, file: string): Promise<number> {
  let end = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    end += chunk.length;
  }
  return end;
}

const callerOf = (parent: ImageParent, { signal }: ImageWish): SigningCaller =>
  new SigningCaller(parent, signal, { silentMs: SILENT_MS, wholeMs: null });

function addressOf({ url }: ImageParent, { kind }: ImageWish): URL {
  const address = new URL(url);
  address.search = imageQuery(kind).toString();
  return address;
}

function refuseStatus({ statusCode = 0 }: IncomingMessage, expected: readonly number[]): void {
  if (expected.includes(statusCode)) return;
  if (statusCode === 401 || statusCode === 403) throw new HayloftError("auth-failed", { status: statusCode });
  if (statusCode === 404) throw new HayloftError("not-found", { what: "image" });
  throw new HayloftError("unavailable", { reason: "the parent refused", status: statusCode });
}

async function shortBody(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MANIFEST_BYTES_MAX) throw new HayloftError("image-invalid", { part: "manifest" });
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof HayloftError ? error : new HayloftError("unavailable", { reason: "the answer broke off" }, error);
  } finally {
    answer.destroy();
  }
  return Buffer.concat(chunks).toString("utf8");
}
