import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { fromBase64, toBase64 } from "../platform/byte-text.ts";
import { syncPath } from "../store/pglite/sync-path.ts";

/** Whose work a file of salvaged commits holds. */
export interface SalvageHeader {
  readonly format: 1;
  /** Names the file for good, so that its commits are taken in once however often that is begun. */
  readonly id: string;
  readonly tenant: string;
  readonly node: string;
  /** The log's incarnation, where it could be read. */
  readonly incarnation: string | null;
}

/** What could be read of the work that the parent did not have, and what could not. */
export interface Salvaged {
  /** Commits in the file, whole by their hashes, and their rows. */
  readonly commits: number;
  readonly rows: number;
  /** Commits of which something was found that is not what was written, or not all of it. */
  readonly broken: number;
  /** Places of the log of which nothing was found; null when not even the log's end could be read. */
  readonly missing: number | null;
}

export interface SalvagedCommit {
  /** Its place in the log of the damaged store. */
  readonly position: number;
  readonly commit: Commit;
}

interface WrittenCommit extends Omit<Commit, "stamp" | "previousHash" | "hash"> {
  readonly stamp: string;
  readonly previousHash: string;
  readonly hash: string;
}

type Line =
  | { readonly header: SalvageHeader }
  | { readonly position: number; readonly commit: WrittenCommit }
  | { readonly end: Salvaged };

/** Writes a file of salvaged commits, one line each. It has its name when it is whole and durable. */
export class SalvageWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  #lines: string[] = [];

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  static async create(file: string, header: SalvageHeader): Promise<SalvageWriter> {
    const writer = new SalvageWriter(file, await open(`${file}.part`, "w", 0o600));
    writer.#put({ header });
    return writer;
  }

  async add({ position, commit }: SalvagedCommit): Promise<void> {
    const { stamp, previousHash, hash } = commit;
    const texts = { stamp: stamp.toString(), previousHash: toBase64(previousHash), hash: toBase64(hash) };
    this.#put({ position, commit: { ...commit, ...texts } });
    if (this.#lines.length >= 100) await this.#flush();
  }

  async end(salvaged: Salvaged): Promise<void> {
    this.#put({ end: salvaged });
    await this.#flush();
    await this.#handle.sync();
    await this.#handle.close();
    await rename(`${this.#file}.part`, this.#file);
    syncPath(path.dirname(this.#file));
  }

  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(`${this.#file}.part`, { force: true });
  }

  #put(line: Line): void {
    this.#lines.push(`${JSON.stringify(line)}\n`);
  }

  async #flush(): Promise<void> {
    await this.#handle.write(this.#lines.join(""));
    this.#lines = [];
  }
}

/** Reads a file that `SalvageWriter` wrote: its header first, then its commits, and its end. Throws `store-damaged` for any other. */
export async function* readSalvage(
  file: string,
): AsyncGenerator<{ readonly header: SalvageHeader } | SalvagedCommit | { readonly end: Salvaged }> {
  let ended = false;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const line = parseLine(file, text);
    ended = "end" in line;
    yield "commit" in line ? { position: line.position, commit: commitOf(file, line.commit) } : line;
  }
  if (!ended) throw unreadable(file);
}

function parseLine(file: string, text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    throw unreadable(file);
  }
}

function commitOf(file: string, { stamp, previousHash, hash, ...commit }: WrittenCommit): Commit {
  const [before, own] = [fromBase64(previousHash), fromBase64(hash)];
  if (before === null || own === null) throw unreadable(file);
  return { ...commit, stamp: BigInt(stamp), previousHash: before, hash: own };
}

const unreadable = (file: string): HayloftError => new HayloftError("store-damaged", { file: path.basename(file) });
