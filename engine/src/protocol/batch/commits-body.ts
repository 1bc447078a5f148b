import { HASH_BYTES, sameBytes } from "../../commit/commit-hash.ts";
import type { Change, Commit } from "../../commit/commit.ts";
import { invalid, tooLarge } from "../invalid.ts";
import { AUTHOR_BYTES_MAX, AUTHORS_MAX, NAME_BYTES_MAX } from "../limits.ts";
import type { BodyLimits } from "./body-budget.ts";
import { BodyBudget } from "./body-budget.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readChanges, writeChanges } from "./changes-codec.ts";
import { readOneUuid, writeOneUuid } from "./uuid-column.ts";

const COUNTER_BITS = 16n;
const COUNTER_MASK = 0xffffn;
const STAMP_MAX = 2n ** 63n - 1n;

/** What commits of one author have in common. Travels once per body. */
type Author = Pick<Commit, "origin" | "node" | "tier" | "author" | "catalogVersion">;

/** Encodes the commits of one slice. All belong to `tenant`, else `frame-invalid`. */
export function encodeCommits(tenant: string, commits: readonly Commit[], limits: BodyLimits): Uint8Array {
  if (commits.length > limits.commitsMax) throw tooLarge("commitsMax", limits.commitsMax);
  const writer = new ByteWriter(16_384);
  writeChanges(
    writer,
    commits.flatMap((commit) => commit.changes),
    new BodyBudget(limits),
  );
  writer.unsigned(commits.length);
  const numbers = writeAuthors(writer, commits);
  for (const number of numbers) writer.unsigned(number);
  writeSequence(writer, commits);
  for (const commit of commits) {
    if (commit.tenant !== tenant) throw invalid("commits.tenant", "the slice's tenant");
    writer.unsigned(commit.changes.length);
  }
  writeHashes(writer, commits);
  return writer.finish();
}

function writeAuthors(writer: ByteWriter, commits: readonly Commit[]): number[] {
  const known = new Map<string, number>();
  const authors: Author[] = [];
  const numbers = commits.map((commit) => {
    const key = `${commit.origin}\n${commit.node}\n${commit.tier}\n${String(commit.catalogVersion)}\n${commit.author === null ? "" : `=${commit.author}`}`;
    const number = known.get(key) ?? known.size;
    if (number === known.size) {
      known.set(key, number);
      authors.push(commit);
    }
    return number;
  });
  if (authors.length > AUTHORS_MAX) throw tooLarge("authorsMax", AUTHORS_MAX);
  writer.unsigned(authors.length);
  for (const author of authors) {
    writeOneUuid(writer, author.origin, "commits.origin");
    writeOneUuid(writer, author.node, "commits.node");
    writer.text(author.tier, NAME_BYTES_MAX, "commits.tier");
    writer.unsigned(author.catalogVersion);
    writer.byte(author.author === null ? 0 : 1);
    if (author.author !== null) writer.text(author.author, AUTHOR_BYTES_MAX, "commits.author");
  }
  return numbers;
}

/** Per commit the step of its origin's seq, then the steps of the stamps' milliseconds, then the stamps' counters. */
function writeSequence(writer: ByteWriter, commits: readonly Commit[]): void {
  const lastSeqs = new Map<string, number>();
  for (const { origin, seq } of commits) {
    if (!Number.isSafeInteger(seq) || seq < 1) throw invalid("commits.seq", "a positive integer");
    writer.signed(seq - 1 - (lastSeqs.get(origin) ?? 0));
    lastSeqs.set(origin, seq);
  }
  let lastMs = 0;
  for (const { stamp } of commits) {
    if (stamp < 0n || stamp > STAMP_MAX) throw invalid("commits.stamp", "a stamp of 63 bits");
    const ms = Number(stamp >> COUNTER_BITS);
    writer.signed(ms - lastMs);
    lastMs = ms;
  }
  for (const { stamp } of commits) writer.unsigned(Number(stamp & COUNTER_MASK));
}

/** Per commit whether its previous hash is the hash of the origin's commit before it here; then the hashes that are needed. */
function writeHashes(writer: ByteWriter, commits: readonly Commit[]): void {
  const ends = new Map<string, Uint8Array>();
  const links = commits.map(({ origin, previousHash, hash }) => {
    if (previousHash.length !== HASH_BYTES || hash.length !== HASH_BYTES) throw invalid("commits.hash", "32 bytes");
    const end = ends.get(origin);
    ends.set(origin, hash);
    return end !== undefined && sameBytes(end, previousHash);
  });
  for (const link of links) writer.byte(link ? 1 : 0);
  for (const [index, commit] of commits.entries()) if (links[index] === false) writer.bytes(commit.previousHash);
  for (const commit of commits) writer.bytes(commit.hash);
}

/** Decodes what `encodeCommits` gave. Hashes are carried, not checked: `commitHashHolds` does that where commits are whole. */
export function decodeCommits(tenant: string, body: Uint8Array, limits: BodyLimits): Commit[] {
  const reader = new ByteReader(body);
  const changes = readChanges(reader, new BodyBudget(limits));
  const count = reader.count(limits.commitsMax, "commitsMax");
  // Author, seq, stamp, counter, changes, link and hash.
  if (count * (6 + HASH_BYTES) > reader.left) throw invalid("body", "a whole body");
  const authors = readAuthors(reader, count);
  const seqs = readSeqs(reader, authors);
  const stamps = readStamps(reader, count);
  const own = shareOut(reader, changes, count);
  const hashes = readHashes(reader, authors);
  reader.end();
  return authors.map((author, index) => ({
    tenant,
    origin: author.origin,
    seq: seqs[index] ?? 0,
    stamp: stamps[index] ?? 0n,
    node: author.node,
    tier: author.tier,
    author: author.author,
    catalogVersion: author.catalogVersion,
    previousHash: hashes.previous[index] ?? new Uint8Array(0),
    hash: hashes.own[index] ?? new Uint8Array(0),
    changes: own[index] ?? [],
  }));
}

/** The author of each commit. */
function readAuthors(reader: ByteReader, count: number): Author[] {
  const authors: Author[] = [];
  const authorCount = reader.count(Math.min(AUTHORS_MAX, count), "authorsMax");
  for (let index = 0; index < authorCount; index += 1) {
    const origin = readOneUuid(reader);
    const node = readOneUuid(reader);
    const tier = reader.text(NAME_BYTES_MAX);
    const catalogVersion = reader.unsigned();
    const named = reader.byte();
    if (named > 1) throw invalid("body", "0 or 1");
    authors.push({ origin, node, tier, catalogVersion, author: named === 0 ? null : reader.text(AUTHOR_BYTES_MAX) });
  }
  const each: Author[] = [];
  for (let index = 0; index < count; index += 1) {
    const author = authors[reader.unsigned()];
    if (author === undefined) throw invalid("body", "the number of an author");
    each.push(author);
  }
  return each;
}

function readSeqs(reader: ByteReader, authors: readonly Author[]): number[] {
  const lastSeqs = new Map<string, number>();
  return authors.map(({ origin }) => {
    const seq = reader.signed() + 1 + (lastSeqs.get(origin) ?? 0);
    if (!Number.isSafeInteger(seq) || seq < 1) throw invalid("body", "a positive seq");
    lastSeqs.set(origin, seq);
    return seq;
  });
}

function readStamps(reader: ByteReader, count: number): bigint[] {
  const times = new Float64Array(count);
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    last += reader.signed();
    if (last < 0 || last >= 2 ** 47) throw invalid("body", "a stamp of 63 bits");
    times[index] = last;
  }
  const stamps: bigint[] = [];
  for (let index = 0; index < count; index += 1) {
    const counter = reader.unsigned();
    if (counter > 0xffff) throw invalid("body", "a counter of 16 bits");
    stamps.push((BigInt(times[index] ?? 0) << COUNTER_BITS) | BigInt(counter));
  }
  return stamps;
}

/** Gives each commit its own of the changes, in order; none may be left. */
function shareOut(reader: ByteReader, changes: readonly Change[], count: number): Change[][] {
  const own: Change[][] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const end = at + reader.unsigned();
    if (end > changes.length) throw invalid("body", "as many changes as there are");
    own.push(changes.slice(at, end));
    at = end;
  }
  if (at !== changes.length) throw invalid("body", "every change in a commit");
  return own;
}

function readHashes(
  reader: ByteReader,
  authors: readonly Author[],
): { readonly previous: Uint8Array[]; readonly own: Uint8Array[] } {
  const links = reader.bytes(authors.length);
  if (links.some((link) => link > 1)) throw invalid("body", "0 or 1");
  const given: (Uint8Array | null)[] = [];
  for (const link of links) given.push(link === 1 ? null : reader.bytes(HASH_BYTES).slice());
  const own = authors.map(() => reader.bytes(HASH_BYTES).slice());
  const ends = new Map<string, Uint8Array>();
  const previous = authors.map(({ origin }, index) => {
    const hash = given[index] ?? ends.get(origin);
    if (hash === undefined) throw invalid("body", "a commit of the origin before a linked one");
    const end = own[index];
    if (end !== undefined) ends.set(origin, end);
    return hash;
  });
  return { previous, own };
}
