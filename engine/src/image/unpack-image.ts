import { closeSync, createReadStream, ftruncateSync, openSync, writeSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { HayloftError } from "../error/hayloft-error.ts";
import { syncPath } from "../store/pglite/sync-path.ts";
import type { ImageManifest } from "./image-manifest.ts";

/** A segment of a name that can stand in no path but its own. */
const safeName = /^(?!\.{1,2}(?:\/|$))[\w.-]+(?:\/(?!\.{1,2}(?:\/|$))[\w.-]+)*$/u;
const NAME_LENGTH_MAX = 200;
const DIRECTORIES_MAX = 10_000;
const LOG = "pg_wal";
const SYNCING_MAX = 8;

/**
 * Unpacks an image into a directory that is empty. When it resolves, exactly what the manifest counts is there and durable, but for the
 * name of `directory` itself. Throws `image-invalid` for anything that does not belong there, and what the file system throws.
 */
export async function unpackImage(
  file: string,
  directory: string,
  { files, unpackedBytes }: Pick<ImageManifest, "files" | "unpackedBytes">,
): Promise<void> {
  const found = { files: 0, bytes: 0, directories: new Set<string>([directory]), filled: new Array<string>() };
  const failed = { first: null as unknown };
  const entries = extract();
  const note = (error: unknown): void => {
    failed.first ??= isDamage(error) ? new HayloftError("image-invalid", { reason: "damaged" }, error) : error;
    entries.destroy();
  };
  const source = createReadStream(file, { highWaterMark: 1024 * 1024 });
  const flow = pipeline(source, createGunzip({ chunkSize: 256 * 1024 }), entries).catch(note);
  const taken = (async () => {
    for await (const entry of entries) {
      const place = path.join(directory, checkedName(entry.header));
      if (entry.header.type === "directory") {
        found.directories.add(place);
        if (found.directories.size > DIRECTORIES_MAX) throw new HayloftError("image-invalid", { reason: "too many directories" });
        await mkdir(place, { recursive: true, mode: 0o700 });
        entry.resume();
        continue;
      }
      found.files += 1;
      found.bytes += entry.header.size ?? 0;
      if (found.files > files || found.bytes > unpackedBytes)
        throw new HayloftError("image-invalid", { reason: "more than it should hold" });
      await write(place, entry as AsyncIterable<Buffer>, entry.header.size ?? 0);
      // Of an empty file there is nothing to lose but its name, which is its directory's.
      if ((entry.header.size ?? 0) > 0) found.filled.push(place);
    }
  })().catch(note);
  await Promise.all([flow, taken]);
  if (failed.first !== null) throw failed.first;
  if (found.files !== files || found.bytes !== unpackedBytes)
    throw new HayloftError("image-invalid", { reason: "parts are missing" });
  await syncFiles(found.filled);
  for (const place of found.directories) syncPath(place);
}

function checkedName({
  name,
  type,
  size,
}: {
  readonly name: string;
  readonly type?: string | null;
  readonly size?: number;
}): string {
  const plain = name.replace(/\/$/u, "");
  const known = type === "file" || (type === "directory" && (size ?? 0) === 0);
  if (!known || plain.length > NAME_LENGTH_MAX || !safeName.test(plain))
    throw new HayloftError("image-invalid", { reason: "an entry that does not belong there" });
  return plain;
}

/**
 * Writes a file, which must be new. Without the event loop between the calls: there are a thousand files of one page each, and nothing else to do
 * before the store is open.
 */
async function write(place: string, content: AsyncIterable<Buffer>, size: number): Promise<void> {
  const isLog = path.basename(path.dirname(place)) === LOG;
  const fd = openSync(place, "wx", 0o600);
  let at = 0;
  try {
    if (isLog) ftruncateSync(fd, size);
    for await (const chunk of content) {
      // The log's file is made in full length and nearly empty; Postgres writes its pages one after the other.
      if (!isLog || !isZero(chunk))
        for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done, chunk.length - done, at + done);
      at += chunk.length;
    }
  } finally {
    closeSync(fd);
  }
}

const isZero = (chunk: Buffer): boolean => chunk[0] === 0 && chunk.equals(Buffer.alloc(chunk.length));

/** Makes files durable, several at a time: the disk's journal takes them together. */
async function syncFiles(files: readonly string[]): Promise<void> {
  const left = files.values();
  const work = async (): Promise<void> => {
    for (const file of left) {
      const handle = await open(file, "r");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };
  await Promise.all(Array.from({ length: SYNCING_MAX }, work));
}

/** True for what gzip and tar say of bytes that are none of theirs. */
const isDamage = (error: unknown): boolean =>
  error instanceof Error &&
  (("code" in error && String(error.code).startsWith("Z_")) || /tar|header|end of data/iu.test(error.message));
