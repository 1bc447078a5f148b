import type { WalRecord } from "../../store/pglite/wal-record.ts";
import { RECORD_HEADER_BYTES } from "../../store/pglite/wal-record.ts";

/** Postgres' names of tablespaces that PGlite has, and of a relation's forks (`xlogrecord.h`, `relpath.h`). */
const GLOBAL_SPACE = 1664;
const FORKS = ["", "_fsm", "_vm", "_init"];

const LAST_BLOCK_ID = 32;
const DATA_SHORT = 255;
const DATA_LONG = 254;
const ORIGIN = 253;
const TOP_TRANSACTION = 252;
const FORK = 0x0f;
const HAS_IMAGE = 0x10;
const WILL_BEGIN = 0x40;
const SAME_RELATION = 0x80;
const HAS_HOLE = 0x01;
const IS_COMPRESSED = 0x1c;

/** The pages, as `<file>:<block>`, that applying this record makes whole whatever they were: it has an image of them, or begins them anew. */
export function pagesMadeBy({ bytes }: WalRecord): readonly string[] {
  const made: string[] = [];
  let relation = "";
  // After the parts come the data that they speak of.
  let data = 0;
  for (let at = RECORD_HEADER_BYTES; at < bytes.length - data;) {
    const id = bytes.readUInt8(at);
    if (id === DATA_SHORT || id === DATA_LONG) break;
    if (id === ORIGIN || id === TOP_TRANSACTION) {
      at += id === ORIGIN ? 3 : 5;
      continue;
    }
    if (id > LAST_BLOCK_ID) throw new Error(`The record at ${at} has a part of an unknown kind: ${id}.`);
    const flags = bytes.readUInt8(at + 1);
    data += bytes.readUInt16LE(at + 2);
    at += 4;
    if ((flags & HAS_IMAGE) !== 0) {
      data += bytes.readUInt16LE(at);
      const image = bytes.readUInt8(at + 4);
      at += (image & HAS_HOLE) !== 0 && (image & IS_COMPRESSED) !== 0 ? 7 : 5;
    }
    if ((flags & SAME_RELATION) === 0) {
      const [space, database, number] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
      relation = space === GLOBAL_SPACE ? `global/${number}` : `base/${database}/${number}`;
      at += 12;
    }
    const block = bytes.readUInt32LE(at);
    at += 4;
    if ((flags & (HAS_IMAGE | WILL_BEGIN)) !== 0) made.push(`${relation}${FORKS[flags & FORK] ?? ""}:${block}`);
  }
  return made;
}
