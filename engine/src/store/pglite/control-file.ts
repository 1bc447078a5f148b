import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { crc32c, PAGE_BYTES } from "./page-checksum.ts";

export const CONTROL = "global/pg_control";
const CONTROL_BYTES_MAX = 512;
const CONTROL_BYTES_MIN = 64;

/** True for a control file whose checksum holds, and whose checkpoint is in the log. Where the checksum lies depends on the version. */
export function isControlWhole(pgdata: string): boolean {
  const control = readOrNull(path.join(pgdata, CONTROL));
  return control !== null && holdsChecksum(control) && isCheckpointThere(pgdata, control.readBigUInt64LE(32));
}

function holdsChecksum(control: Buffer): boolean {
  for (let at = CONTROL_BYTES_MIN; at < Math.min(CONTROL_BYTES_MAX, control.length - 4); at += 4)
    if (control.readUInt32LE(at) === crc32c(control.subarray(0, at))) return true;
  return false;
}

/** A file's bytes; null where it cannot be read. */
export function readOrNull(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
const RECORD_HEADER = 24;
const CRC_AT = 20;
const RECORD_BYTES_MAX = 4096;
const SHORT_PAGE_HEADER = 24;
const LONG_PAGE_HEADER = 40;

/** True when the record at this place of the log is whole. A recovery begins with it. */
function isCheckpointThere(pgdata: string, place: bigint): boolean {
  const head = readLog(pgdata, place, RECORD_HEADER);
  const length = head?.readUInt32LE(0) ?? 0;
  if (head === null || length < RECORD_HEADER || length > RECORD_BYTES_MAX) return false;
  const record = readLog(pgdata, place, length);
  return record !== null && record.readUInt32LE(CRC_AT) === crc32c(record.subarray(RECORD_HEADER), record.subarray(0, CRC_AT));
}

/** Bytes of the log from a place on, without the headers of its pages; null where they are not there. */
function readLog(pgdata: string, place: bigint, length: number): Buffer | null {
  const parts: Buffer[] = [];
  for (let at = Number(place), left = length; left > 0;) {
    const inSegment = at % SEGMENT_BYTES;
    if (at % PAGE_BYTES === 0) at += inSegment === 0 ? LONG_PAGE_HEADER : SHORT_PAGE_HEADER;
    const part = Buffer.alloc(Math.min(left, PAGE_BYTES - (at % PAGE_BYTES)));
    if (!readAt(path.join(pgdata, "pg_wal", segmentName(at)), at % SEGMENT_BYTES, part)) return null;
    parts.push(part);
    at += part.length;
    left -= part.length;
  }
  return Buffer.concat(parts);
}

/** A segment's name: its timeline, of which PGlite knows one, and its number in two halves. */
function segmentName(at: number): string {
  const number = Math.floor(at / SEGMENT_BYTES);
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
  return `${hex(1)}${hex(Math.floor(number / 256))}${hex(number % 256)}`;
}

function readAt(file: string, at: number, into: Buffer): boolean {
  try {
    const fd = openSync(file, "r");
    try {
      return readSync(fd, into, 0, into.length, at) === into.length;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
