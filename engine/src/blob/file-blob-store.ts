import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { HayloftError } from "../error/hayloft-error.ts";
import type { BlobId, BlobStore, ExpectedBlob } from "./blob-store.ts";
import { newId } from "../identity/new-id.ts";
import { diskError, isMissing } from "./disk-error.ts";

const hashPattern = /^[0-9a-f]{64}$/u;
const sha256Hex = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

/**
 * Blobs as files of one directory: `blobs/ab/ab12…` under their hash, `uploads/…` under the hash of the upload's id. A blob appears
 * under its name by a rename, whole and synced, so a crash leaves a blob or an upload and never a part of a blob.
 */
export class FileBlobStore implements BlobStore {
  readonly bytesMax: number;
  readonly #directory: string;
  readonly #blobs: string;
  readonly #uploads: string;
  readonly #busy = new Set<string>();
  #isMade = false;

  /** A store in a directory, which is made when the first bytes come. */
  constructor(directory: string, options: { readonly bytesMax: number }) {
    this.bytesMax = options.bytesMax;
    this.#directory = directory;
    this.#blobs = path.join(directory, "blobs");
    this.#uploads = path.join(directory, "uploads");
  }

  async size(sha256: string): Promise<number | null> {
    return await sizeOf(this.#blobFile(sha256));
  }

  async read(sha256: string): Promise<Uint8Array> {
    const bytes = await guarded(async () => await readFile(this.#blobFile(sha256)), "blob");
    if (sha256Hex(bytes) !== sha256) throw new HayloftError("blob-altered", { part: "stored", sha256 });
    return bytes;
  }

  async put(bytes: Uint8Array): Promise<BlobId> {
    const upload = newId();
    await this.append(upload, 0, once(bytes));
    return await this.finish(upload, { sha256: null, sizeBytes: bytes.length });
  }

  async remove(sha256: string, beforeMs = Number.POSITIVE_INFINITY): Promise<void> {
    const file = this.#blobFile(sha256);
    const facts = await stat(file).catch(() => null);
    if (facts !== null && facts.ctimeMs < beforeMs) await guarded(async () => await rm(file, { force: true }));
  }

  async *hashes(beforeMs: number): AsyncIterable<string> {
    for (const shelf of await namesIn(this.#blobs)) {
      for (const name of await namesIn(path.join(this.#blobs, shelf))) {
        const facts = await stat(path.join(this.#blobs, shelf, name)).catch(() => null);
        if (hashPattern.test(name) && facts !== null && facts.ctimeMs < beforeMs) yield name;
      }
    }
  }

  async received(upload: string): Promise<number> {
    return (await sizeOf(this.#uploadFile(upload))) ?? 0;
  }

  async append(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>, sha256?: Uint8Array): Promise<number> {
    return await this.#alone(upload, async () => {
      await this.#make();
      const file = this.#uploadFile(upload);
      const here = (await sizeOf(file)) ?? 0;
      if (offset !== here) throw new HayloftError("upload-offset", { offset: here });
      const handle = await open(file, here === 0 ? "w" : "r+", 0o600);
      try {
        if (here === 0) await syncDirectory(this.#uploads);
        return await this.#write(handle, offset, bytes, sha256);
      } finally {
        await handle.close();
      }
    });
  }

  async contents(upload: string): Promise<Uint8Array> {
    return await guarded(async () => await readFile(this.#uploadFile(upload)), "upload");
  }

  async finish(upload: string, expected: ExpectedBlob): Promise<BlobId> {
    return await this.#alone(upload, async () => {
      const file = this.#uploadFile(upload);
      const id = await hashFile(file);
      const differs = (name: keyof BlobId): boolean => expected[name] !== null && expected[name] !== id[name];
      if (differs("sizeBytes") || differs("sha256")) {
        await rm(file, { force: true });
        throw new HayloftError("blob-altered", { part: "whole", sha256: id.sha256, sizeBytes: id.sizeBytes });
      }
      const target = this.#blobFile(id.sha256);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      await rename(file, target);
      for (const place of [path.dirname(target), this.#blobs, this.#uploads]) await syncDirectory(place);
      return id;
    });
  }

  async discard(upload: string): Promise<void> {
    await this.#alone(upload, async () => await rm(this.#uploadFile(upload), { force: true }));
  }

  async expire(beforeMs: number): Promise<number> {
    let dropped = 0;
    for (const name of await namesIn(this.#uploads)) {
      const file = path.join(this.#uploads, name);
      const facts = await stat(file).catch(() => null);
      if (facts === null || facts.mtimeMs >= beforeMs || this.#busy.has(name)) continue;
      await rm(file, { force: true });
      dropped += 1;
    }
    return dropped;
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    for (const place of [this.#blobs, this.#uploads]) await mkdir(place, { recursive: true, mode: 0o700 });
    for (const place of [this.#directory, path.dirname(this.#directory)]) await syncDirectory(place);
    this.#isMade = true;
  }

  /** Writes to the end of an open upload; afterwards it is durable, or as long as it was. */
  async #write(handle: FileHandle, offset: number, bytes: AsyncIterable<Uint8Array>, sha256?: Uint8Array): Promise<number> {
    const hash = createHash("sha256");
    let end = offset;
    let keep = false;
    try {
      for await (const chunk of bytes) {
        if (end + chunk.length > this.bytesMax) throw new HayloftError("blob-too-large", { bytesMax: this.bytesMax });
        hash.update(chunk);
        await writeAll(handle, chunk, end);
        end += chunk.length;
        keep = sha256 === undefined;
      }
      keep = sha256 === undefined || hash.digest().equals(sha256);
      if (!keep) throw new HayloftError("blob-altered", { part: "chunk" });
      return end;
    } catch (error) {
      if (error instanceof HayloftError) keep = false;
      throw error;
    } finally {
      if (!keep) await handle.truncate(offset);
      await handle.sync();
    }
  }

  /** Runs work on one upload at a time; two writers would mix their bytes. */
  async #alone<Result>(upload: string, work: () => Promise<Result>): Promise<Result> {
    const name = path.basename(this.#uploadFile(upload));
    if (this.#busy.has(name)) throw new HayloftError("upload-busy");
    this.#busy.add(name);
    try {
      return await guarded(work, "upload");
    } finally {
      this.#busy.delete(name);
    }
  }

  #blobFile(sha256: string): string {
    if (!hashPattern.test(sha256)) throw new HayloftError("request-invalid", { part: "sha256" });
    return path.join(this.#blobs, sha256.slice(0, 2), sha256);
  }

  #uploadFile(upload: string): string {
    return path.join(this.#uploads, sha256Hex(upload));
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function guarded<Result>(work: () => Promise<Result>, what = "file"): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, what);
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return null;
    throw diskError(error, "file");
  }
}

async function namesIn(place: string): Promise<readonly string[]> {
  try {
    return await readdir(place);
  } catch (error) {
    if (isMissing(error)) return [];
    throw diskError(error, "file");
  }
}

async function hashFile(file: string): Promise<BlobId> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest("hex"), sizeBytes };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** A file's own sync does not promise that its name survives a power cut. */
async function syncDirectory(place: string): Promise<void> {
  const handle = await open(place, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
