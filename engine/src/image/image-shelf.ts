import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { diskError, isMissing } from "../blob/disk-error.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { lockDirectory } from "../store/pglite/directory-lock.ts";
import { syncPath } from "../store/pglite/sync-path.ts";
import { type ImageManifest, parseSigned, readManifest, type SignedManifest } from "./image-manifest.ts";

/** An image on the shelf. */
export interface ShelvedImage {
  readonly manifest: ImageManifest;
  readonly signed: SignedManifest;
  readonly usedAtMs: number;
}

/** What the shelf may hold. */
export interface ShelfLimits {
  readonly imagesMax: number;
  readonly bytesMax: number;
}

/** Where an image is made; nothing is there yet. */
export interface ImageDraft {
  readonly scratch: string;
  readonly file: string;
  release(): Promise<void>;
}

const MANIFEST = /^([0-9a-f]{64})\.json$/u;
const IMAGE = /^[0-9a-f]{64}\.image$/u;
const DRAFTS = "drafts";

/**
 * Images as files of one directory, which processes on one database may share: each image under its hash, and under its key the signed
 * manifest that makes it the one for that key. A manifest appears by a rename after its image is durable, so a crash leaves a draft
 * or an image that nothing names, which `tidy` removes. Everything is read from the disk when it is asked for.
 */
export class ImageShelf {
  readonly #directory: string;
  readonly #maker: { readonly node: string; readonly publicKey: Uint8Array };

  constructor(directory: string, maker: { readonly node: string; readonly publicKey: Uint8Array }) {
    this.#directory = directory;
    this.#maker = maker;
  }

  /**
   * A place of its own to make the image for a key in: a directory, and a name for the file. Null while another process makes one. What
   * is left there goes when it is released.
   */
  async draft(key: string): Promise<ImageDraft | null> {
    const place = path.join(this.#directory, DRAFTS, key);
    await mkdir(place, { recursive: true, mode: 0o700 });
    const lock = await lockDirectory(place).catch((error: unknown) => {
      if (isHayloftError(error, "store-locked")) return null;
      throw error;
    });
    if (lock === null) return null;
    const [scratch, file] = [path.join(place, "scratch"), path.join(place, "image")];
    await rm(file, { force: true });
    return {
      scratch,
      file,
      release: async () => {
        await rm(scratch, { recursive: true, force: true });
        await rm(file, { force: true });
        await lock.release();
      },
    };
  }

  /** Puts a draft on the shelf, in the place of the one with its key. Durable when it resolves. */
  async put(file: string, manifest: ImageManifest, signed: SignedManifest): Promise<void> {
    try {
      await rename(file, this.#imageFile(manifest.sha256));
      syncPath(this.#directory);
      const place = path.join(this.#directory, `${manifest.key}.json`);
      const draft = path.join(this.#directory, DRAFTS, `${newId()}.json`);
      const handle = await open(draft, "wx", 0o600);
      try {
        await handle.writeFile(JSON.stringify(signed));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, place);
      syncPath(this.#directory);
    } catch (error) {
      throw diskError(error, "image");
    }
  }

  /** The image for a key, or null. One whose manifest or file is damaged is none. */
  async find(key: string): Promise<ShelvedImage | null> {
    const place = path.join(this.#directory, `${key}.json`);
    try {
      const signed = parseSigned(await readFile(place, "utf8"));
      const manifest = readManifest(signed, this.#maker);
      const { size } = await stat(this.#imageFile(manifest.sha256));
      if (manifest.key !== key || size !== manifest.sizeBytes) return null;
      return { manifest, signed, usedAtMs: (await stat(place)).mtimeMs };
    } catch (error) {
      if (isMissing(error) || isHayloftError(error, "image-invalid")) return null;
      throw diskError(error, "image");
    }
  }

  /** Notes that an image was wanted: what was not for the longest time goes first. */
  async touch(key: string, nowMs: number): Promise<void> {
    await utimes(path.join(this.#directory, `${key}.json`), nowMs / 1_000, nowMs / 1_000).catch(() => undefined);
  }

  /** An image's bytes from `start` on, chunk by chunk; also to the end when it is removed meanwhile. Throws `not-found`. */
  async read(sha256: string, start: number): Promise<Readable> {
    try {
      const handle = await open(this.#imageFile(sha256), "r");
      return createReadStream("", { fd: handle, start, highWaterMark: 256 * 1024 });
    } catch (error) {
      throw diskError(error, "image");
    }
  }

  /** All images, the one wanted last first. */
  async list(): Promise<readonly ShelvedImage[]> {
    const keys = (await namesIn(this.#directory)).flatMap((name) => MANIFEST.exec(name)?.[1] ?? []);
    const found = await Promise.all(keys.map(async (key) => await this.find(key)));
    return found.flatMap((image) => image ?? []).toSorted((left, right) => right.usedAtMs - left.usedAtMs);
  }

  /**
   * Removes the images that `isUsable` does not want, those beyond the limits, and what no manifest names or a process that was killed left behind before
   * `beforeMs`. Returns what stays.
   */
  async tidy(
    isUsable: (image: ShelvedImage) => boolean,
    { imagesMax, bytesMax }: ShelfLimits,
    beforeMs: number,
  ): Promise<readonly ShelvedImage[]> {
    const kept: ShelvedImage[] = [];
    let bytes = 0;
    for (const image of await this.list()) {
      const fits = kept.length < imagesMax && bytes + image.manifest.sizeBytes <= bytesMax;
      if (!fits || !isUsable(image)) continue;
      bytes += image.manifest.sizeBytes;
      kept.push(image);
    }
    const named = new Set(kept.flatMap(({ manifest }) => [`${manifest.key}.json`, `${manifest.sha256}.image`]));
    for (const name of await namesIn(this.#directory)) {
      if (named.has(name) || !(MANIFEST.test(name) || IMAGE.test(name))) continue;
      // An image that was put there just now gets its manifest in a moment.
      if (IMAGE.test(name) && !(await isOlder(path.join(this.#directory, name), beforeMs))) continue;
      await rm(path.join(this.#directory, name), { force: true });
    }
    for (const name of await namesIn(path.join(this.#directory, DRAFTS))) {
      const place = path.join(this.#directory, DRAFTS, name);
      if (await isOlder(place, beforeMs)) await rm(place, { recursive: true, force: true });
    }
    return kept;
  }

  #imageFile(sha256: string): string {
    return path.join(this.#directory, `${sha256}.image`);
  }
}

async function isOlder(place: string, beforeMs: number): Promise<boolean> {
  const facts = await stat(place).catch(() => null);
  return facts !== null && facts.mtimeMs < beforeMs;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw diskError(error, "image");
  }
}
