import { crc32c, PAGE_BYTES } from "./page-checksum.ts";

/** Bytes of a file of `pg_wal`. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
const SHORT_PAGE_HEADER = 24;
const LONG_PAGE_HEADER = 40;
/** Where a page's header keeps the place of the page. */
const PAGE_PLACE_AT = 8;
export const RECORD_HEADER_BYTES = 24;
const CRC_AT = 20;
/** Records begin at multiples of this. */
const ALIGNMENT = 8;

/** Reads `length` bytes of a segment; null where they are not there. */
export type ReadSegment = (name: string, at: number, length: number) => Buffer | null;

/** A record of Postgres' write-ahead log. A place: bytes from the log's beginning. */
export interface WalRecord {
  readonly place: number;
  /** The place after it, where the next one begins. */
  readonly end: number;
  /** Its header with the rest of it. */
  readonly bytes: Buffer;
}

/** The record at a place of the log; null when there is none, or not all of it. */
export function walRecord(read: ReadSegment, place: number): WalRecord | null {
  const length = walBytes(read, place, 4)?.bytes.readUInt32LE() ?? 0;
  if (length < RECORD_HEADER_BYTES) return null;
  const found = walBytes(read, place, length);
  if (found === null) return null;
  const { bytes, end } = found;
  if (bytes.readUInt32LE(CRC_AT) !== crc32c(bytes.subarray(RECORD_HEADER_BYTES), bytes.subarray(0, CRC_AT))) return null;
  return { place, bytes, end: Math.ceil(end / ALIGNMENT) * ALIGNMENT };
}

/** Bytes from a place on without the headers of the pages; null as well where a page is still that of a file which is used again. */
function walBytes(read: ReadSegment, place: number, length: number): { readonly bytes: Buffer; readonly end: number } | null {
  const parts: Buffer[] = [];
  let at = place;
  for (let left = length; left > 0;) {
    const page = at - (at % PAGE_BYTES);
    const segment = segmentName(at);
    if (read(segment, (page % SEGMENT_BYTES) + PAGE_PLACE_AT, 8)?.readBigUInt64LE() !== BigInt(page)) return null;
    if (at === page) at += page % SEGMENT_BYTES === 0 ? LONG_PAGE_HEADER : SHORT_PAGE_HEADER;
    const part = read(segment, at % SEGMENT_BYTES, Math.min(left, page + PAGE_BYTES - at));
    if (part === null) return null;
    parts.push(part);
    at += part.length;
    left -= part.length;
  }
  return { bytes: Buffer.concat(parts), end: at };
}

/** A segment's name: its timeline, of which PGlite knows one, and its number in two halves. */
function segmentName(at: number): string {
  const number = Math.floor(at / SEGMENT_BYTES);
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
  return `${hex(1)}${hex(Math.floor(number / 256))}${hex(number % 256)}`;
}
