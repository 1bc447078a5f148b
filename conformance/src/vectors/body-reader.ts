import { Refused } from "./cbor-reader.ts";
import type { Cell } from "./column-reader.ts";
import { BodyReader, readColumn } from "./column-reader.ts";

// The three kinds of bodies, read from PROTOCOL.md alone. Imports nothing of the engine.

export interface ReadChange {
  readonly table: string;
  readonly op: string;
  readonly columns: readonly string[];
  readonly values: readonly (readonly Cell[])[];
  readonly rowCount: number;
}

export interface ReadCommit {
  readonly origin: string;
  readonly seq: number;
  readonly stamp: string;
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  readonly catalogVersion: number;
  readonly previousHash: string;
  readonly hash: string;
  readonly changes: readonly ReadChange[];
}

const OPS = ["insert", "update", "delete", "evict"];
const repeat = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function readBlock(reader: BodyReader): ReadChange {
  const table = reader.text();
  const op = OPS[reader.byte()];
  if (op === undefined) throw new Refused("unknown op");
  const rowCount = reader.unsigned();
  const columns = repeat(reader.unsigned(), () => "");
  for (const index of columns.keys()) columns[index] = reader.text();
  const values: (readonly Cell[])[] = [];
  for (const _ of columns) values.push(readColumn(reader, rowCount, values));
  return { table, op, columns, values, rowCount };
}

function readChanges(reader: BodyReader): ReadChange[] {
  const blocks = repeat(reader.unsigned(), () => readBlock(reader));
  const count = reader.unsigned();
  const numbers = repeat(count, () => reader.unsigned());
  const rowCounts = repeat(count, () => reader.unsigned());
  const taken = blocks.map(() => 0);
  const changes = numbers.map((number, index) => {
    const block = blocks[number];
    if (block === undefined) throw new Refused("a block that is not there");
    const start = taken[number] ?? 0;
    const rowCount = rowCounts[index] ?? 0;
    taken[number] = start + rowCount;
    return { ...block, values: block.values.map((column) => column.slice(start, start + rowCount)), rowCount };
  });
  if (blocks.some((block, index) => block.rowCount !== taken[index])) throw new Refused("rows left over");
  return changes;
}

/** The body of a `commits` frame. Stamps as decimal text, hashes as hex. */
export function readCommits(body: Uint8Array): readonly ReadCommit[] {
  const reader = new BodyReader(body);
  const changes = readChanges(reader);
  const count = reader.unsigned();
  const authors = repeat(reader.unsigned(), () => ({
    origin: reader.uuid(),
    node: reader.uuid(),
    tier: reader.text(),
    catalogVersion: reader.unsigned(),
    author: reader.byte() === 0 ? null : reader.text(),
  }));
  const each = repeat(count, () => authors[reader.unsigned()]);
  const last = new Map<string, number>();
  const seqs = each.map((author) => {
    const seq = (last.get(author?.origin ?? "") ?? 0) + 1 + reader.signed();
    last.set(author?.origin ?? "", seq);
    return seq;
  });
  let ms = 0;
  const times = repeat(count, () => (ms += reader.signed()));
  const stamps = times.map((time) => BigInt(time) * 65_536n + BigInt(reader.unsigned()));
  const shares = repeat(count, () => changes.splice(0, reader.unsigned()));
  const linked = repeat(count, () => reader.byte() === 1);
  const previous = linked.map((link) => (link ? null : hex(reader.take(32))));
  const hashes = repeat(count, () => hex(reader.take(32)));
  end(reader);
  const ends = new Map<string, string>();
  return each.map((author, index) => {
    if (author === undefined) throw new Refused("an author that is not there");
    const previousHash = previous[index] ?? ends.get(author.origin);
    const hash = hashes[index] ?? "";
    if (previousHash === undefined) throw new Refused("a link to nothing");
    ends.set(author.origin, hash);
    return { ...author, seq: seqs[index] ?? 0, stamp: String(stamps[index]), previousHash, hash, changes: shares[index] ?? [] };
  });
}

/** The body of a `page` frame. */
export function readPage(body: Uint8Array): { readonly change: ReadChange; readonly stamps: readonly Cell[] | null } {
  const reader = new BodyReader(body);
  const [change] = readChanges(reader);
  if (change === undefined) throw new Refused("no change");
  const stamps = reader.byte() === 0 ? null : readColumn(reader, change.rowCount, []);
  end(reader);
  return { change, stamps };
}

/** The body of an `ack` frame. */
export function readTruth(body: Uint8Array): readonly ReadChange[] {
  const reader = new BodyReader(body);
  const changes = readChanges(reader);
  end(reader);
  return changes;
}

function end(reader: BodyReader): void {
  if (reader.at !== reader.bytes.length) throw new Refused("bytes after the body");
}
