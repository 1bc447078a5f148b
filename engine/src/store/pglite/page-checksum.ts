/** Bytes of a page of Postgres. */
export const PAGE_BYTES = 8192;

const LANES = 32;
const PRIME = 16_777_619;
/** Where Postgres starts the sum of each lane: `checksumBaseOffsets` of its `checksum_impl.h`. */
const OFFSETS = Int32Array.from([
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c, 0xf8d4474f, 0xe39eb970,
  0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb, 0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de,
  0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4, 0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be,
  0xf2ca9fd3, 0x959bd756,
]);
/** The checksum's own place in the header counts as zero: the lower half of the third word. */
const CHECKSUM_WORD = 2;

/** True for a page that is as Postgres wrote it, and for one that was never written. `block`: its number in its relation. */
export function isWholePage(page: Uint8Array, block: number): boolean {
  const words = new Int32Array(page.buffer, page.byteOffset, PAGE_BYTES / 4);
  const stored = (words[CHECKSUM_WORD] ?? 0) & 0xffff;
  if (stored === 0 && words.every((word) => word === 0)) return true;
  return stored === checksumOf(words, block);
}

/** Postgres' checksum of a page (FNV-1a in 32 lanes), from 1 to 65,535. */
function checksumOf(words: Int32Array, block: number): number {
  const sums = OFFSETS.slice();
  for (let at = 0; at < words.length; at += 1) {
    const word = at === CHECKSUM_WORD ? (words[at] ?? 0) & ~0xffff : (words[at] ?? 0);
    const mixed = (sums[at % LANES] ?? 0) ^ word;
    sums[at % LANES] = Math.imul(mixed, PRIME) ^ (mixed >>> 17);
  }
  let sum = block;
  for (let lane = 0; lane < LANES; lane += 1) {
    let mixed = sums[lane] ?? 0;
    for (let round = 0; round < 2; round += 1) mixed = Math.imul(mixed, PRIME) ^ (mixed >>> 17);
    sum ^= mixed;
  }
  return ((sum >>> 0) % 65_535) + 1;
}

/** CRC-32C, as Postgres keeps it of its control file, its maps and the records of its log. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = -1;
  for (const part of parts) for (const byte of part) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
