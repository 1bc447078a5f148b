import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Header, pack as tarPack, type Pack } from "tar-stream";

/** A packed directory. */
export interface PackedDirectory {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly files: number;
  readonly unpackedBytes: number;
}

/** The one file of Postgres' log that a database which was shut down needs, and how much of it means something. */
export interface LogEnd {
  readonly segment: string;
  readonly bytes: number;
}

/** Files up to this size, which most are, are read in one go. */
const WHOLE_BYTES_MAX = 1024 * 1024;
const LOG = "pg_wal";
const leftOut = new Set(["postmaster.pid", "postmaster.opts"]);
const segmentPattern = /^[0-9A-F]{24}$/u;

/**
 * Packs the directory of a database that was shut down: tar in gzip, of its log only the end; each name begins with `root`. When it
 * resolves, `file` is whole and durable. Memory is bounded by a few chunks, whatever the size.
 */
export async function packDirectory(directory: string, file: string, end: LogEnd, root = ""): Promise<PackedDirectory> {
  const pack = tarPack();
  const handle = await open(file, "wx", 0o600);
  try {
    // Level 1: pages of a database shrink nearly as far as with more effort, at several times the speed.
    const flow = pipeline(
      pack,
      createGzip({ level: 1 }),
      async (bytes: AsyncIterable<Uint8Array>) => await writeAll(handle, bytes),
    );
    const filled = packTree(pack, { directory, end, root, under: "" }).then(
      (counts) => {
        pack.finalize();
        return counts;
      },
      (error: unknown) => {
        pack.destroy(error instanceof Error ? error : new Error("failed"));
        throw error;
      },
    );
    const [written, counts] = await Promise.all([flow, filled]);
    return { ...written, ...counts };
  } finally {
    await handle.close();
  }
}

interface Place {
  readonly directory: string;
  readonly end: LogEnd;
  readonly root: string;
  /** Relative, with `/`; empty for the directory itself. */
  readonly under: string;
}

async function packTree(pack: Pack, place: Place): Promise<Pick<PackedDirectory, "files" | "unpackedBytes">> {
  let [files, unpackedBytes] = [0, 0];
  const entries = await readdir(path.join(place.directory, place.under), { withFileTypes: true });
  for (const entry of entries.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
    const name = place.under === "" ? entry.name : `${place.under}/${entry.name}`;
    if (entry.isDirectory()) {
      await packEntry(pack, { name: place.root + name, type: "directory", mode: 0o700 });
      const below = await packTree(pack, { ...place, under: name });
      files += below.files;
      unpackedBytes += below.unpackedBytes;
    } else if (entry.isFile() && isWanted(place, entry.name)) {
      files += 1;
      unpackedBytes += await packFile(pack, place, name);
    }
  }
  return { files, unpackedBytes };
}

const isWanted = ({ under, end }: Place, name: string): boolean =>
  !leftOut.has(name) && (under !== LOG || !segmentPattern.test(name) || name === end.segment);

async function packFile(pack: Pack, { directory, end, root }: Place, name: string): Promise<number> {
  const file = path.join(directory, name);
  const { size } = await stat(file);
  // Postgres uses old files of its log again: behind the end is what it was about before.
  const meant = name === `${LOG}/${end.segment}` ? Math.min(size, end.bytes) : size;
  const header = { name: root + name, size, mode: 0o600 };
  if (size <= WHOLE_BYTES_MAX && meant === size) await packEntry(pack, header, await readFile(file));
  else await pipeline(padded(file, meant, size), pack.entry(header));
  return size;
}

async function* padded(file: string, meant: number, size: number): AsyncIterable<Uint8Array> {
  if (meant > 0) yield* createReadStream(file, { end: meant - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  const zeros = new Uint8Array(256 * 1024);
  for (let left = size - meant; left > 0; left -= zeros.length) yield zeros.subarray(0, Math.min(left, zeros.length));
}

const packEntry = async (pack: Pack, header: Partial<Header> & { readonly name: string }, content?: Buffer): Promise<void> =>
  await new Promise((resolve, reject) => {
    const packed = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (content === undefined) pack.entry(header, packed);
    else pack.entry(header, content, packed);
  });

async function writeAll(
  handle: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Pick<PackedDirectory, "sha256" | "sizeBytes">> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    for (let done = 0; done < chunk.length;) done += (await handle.write(chunk, done)).bytesWritten;
    sizeBytes += chunk.length;
  }
  await handle.sync();
  return { sha256: hash.digest("hex"), sizeBytes };
}
