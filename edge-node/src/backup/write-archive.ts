import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { ReadableStream } from "node:stream/web";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { HayloftError } from "@hayloft/engine";
import { diskError } from "@hayloft/engine/blob";
import { syncPath } from "@hayloft/engine/pglite";
import { pack as tarPack, type Pack } from "tar-stream";

/** Takes files and directories in their order. */
export interface ArchiveSink {
  directory(name: string): Promise<void>;
  file(name: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void>;
}

/** What lies under the name of a draft; a run that was killed leaves one, and the next removes it. */
export const DRAFT_SUFFIX = ".part";

/**
 * Writes an archive: tar, compressed by gzip, encrypted by age for `recipients`. The file is made beside its place under another
 * name, synced, read back and compared, and only then renamed: whatever has `file`'s name is whole. When `fill` or the disk
 * fails, nothing is left. Throws `store-full`, `store-failed`, and what `fill` throws.
 */
export async function writeArchive(
  file: string,
  recipients: readonly string[],
  fill: (sink: ArchiveSink) => Promise<void>,
): Promise<{ readonly sizeBytes: number }> {
  const draft = `${file}${DRAFT_SUFFIX}`;
  try {
    const written = await writeDraft(draft, recipients, fill);
    if ((await hashOf(draft)) !== written.sha256)
      throw new HayloftError("store-failed", { reason: "what was written reads back otherwise" });
    await rename(draft, file);
    syncPath(path.dirname(file));
    return { sizeBytes: written.sizeBytes };
  } catch (error) {
    await rm(draft, { force: true });
    throw diskError(error, "backup");
  }
}

async function writeDraft(
  draft: string,
  recipients: readonly string[],
  fill: (sink: ArchiveSink) => Promise<void>,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const handle = await open(draft, "wx", 0o600);
  try {
    return await writeParts(handle, recipients, fill);
  } finally {
    await handle.close();
  }
}

async function writeParts(
  handle: FileHandle,
  recipients: readonly string[],
  fill: (sink: ArchiveSink) => Promise<void>,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const pack = tarPack();
  // Loaded when there is something to encrypt, so that the daemon is ready sooner.
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  // Level 1: pages of a database shrink nearly as far as with more effort, at several times the speed.
  // Whichever fails first ends the other; its reason is the one that counts.
  const failed = { first: null as unknown };
  const note = (error: unknown): void => {
    failed.first ??= error;
  };
  const packed = pipeline(pack, createGzip({ level: 1 }), async (compressed: AsyncIterable<Uint8Array>) => {
    const plain = pulled(compressed);
    return await writeAll(handle, (await encrypter.encrypt(plain as never)) as unknown as ReadableStream<Uint8Array>, note);
  });
  const filled = fill(sinkOf(pack)).then(
    () => pack.finalize(),
    (error: unknown) => {
      pack.destroy(error instanceof Error ? error : new Error("failed"));
      throw error;
    },
  );
  const [outcome] = await Promise.allSettled([packed.catch((error: unknown) => note(error)), filled.catch(note)]);
  if (failed.first !== null) throw failed.first;
  return (outcome as PromiseFulfilledResult<{ sizeBytes: number; sha256: string }>).value;
}

/** A web stream of what is pulled, and no more: one that goes on by itself throws where nobody catches it when its reader goes away. */
function pulled(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await iterator.return?.();
    },
  });
}

/** Writes the bytes to the disk. `note` hears of a disk that fails before the end of the stream does. */
async function writeAll(
  handle: FileHandle,
  bytes: ReadableStream<Uint8Array>,
  note: (error: unknown) => void,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  const noted = async <T>(work: Promise<T>): Promise<T> =>
    await work.catch((error: unknown) => {
      note(error);
      throw error;
    });
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    for (let done = 0; done < chunk.length;) done += (await noted(handle.write(chunk, done))).bytesWritten;
    sizeBytes += chunk.length;
  }
  await noted(handle.sync());
  return { sizeBytes, sha256: hash.digest("hex") };
}

function sinkOf(pack: Pack): ArchiveSink {
  return {
    directory: async (name) =>
      await new Promise((resolve, reject) => {
        pack.entry({ name, type: "directory", mode: 0o700 }, (error) => (error ? reject(error) : resolve()));
      }),
    file: async (name, sizeBytes, content) => {
      const entry = pack.entry({ name, size: sizeBytes, mode: 0o600 });
      await pipeline(content, entry);
    },
  };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}
