import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { crc32c } from "./page-checksum.ts";
import type { ReadSegment } from "./wal-record.ts";
import { walRecord } from "./wal-record.ts";

export const CONTROL = "global/pg_control";
const CONTROL_BYTES_MAX = 512;
const CONTROL_BYTES_MIN = 64;
const CHECKPOINT_AT = 32;
const REDO_AT = 40;

/** Where a recovery looks first. A place: bytes from the log's beginning. */
export interface ControlFile {
  /** The record of the last checkpoint. */
  readonly checkpoint: number;
  /** Where the log has to be applied from. */
  readonly redo: number;
}

/** What a control file says; null where its checksum does not hold. Where the checksum lies depends on the version. */
export function readControl(control: Buffer): ControlFile | null {
  for (let at = CONTROL_BYTES_MIN; at < Math.min(CONTROL_BYTES_MAX, control.length - 4); at += 4) {
    if (control.readUInt32LE(at) !== crc32c(control.subarray(0, at))) continue;
    return { checkpoint: Number(control.readBigUInt64LE(CHECKPOINT_AT)), redo: Number(control.readBigUInt64LE(REDO_AT)) };
  }
  return null;
}

/** True for a control file whose checksum holds, and whose checkpoint is in the log: a recovery begins with it. */
export function isControlWhole(pgdata: string): boolean {
  const bytes = readOrNull(path.join(pgdata, CONTROL));
  const control = bytes === null ? null : readControl(bytes);
  return control !== null && walRecord(segmentsOf(pgdata), control.checkpoint) !== null;
}

/** A file's bytes; null where it cannot be read. */
export function readOrNull(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
}

const segmentsOf =
  (pgdata: string): ReadSegment =>
  (name, at, length) => {
    const into = Buffer.alloc(length);
    try {
      const fd = openSync(path.join(pgdata, "pg_wal", name), "r");
      try {
        return readSync(fd, into, 0, length, at) === length ? into : null;
      } finally {
        closeSync(fd);
      }
    } catch {
      return null;
    }
  };
