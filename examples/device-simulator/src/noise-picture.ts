import { deflateSync } from "node:zlib";
import type { Random } from "./random.ts";

const MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A grey PNG of noise: a real image that no compression makes smaller, so it has about as many bytes as pixels. */
export function noisePicture(widthPx: number, heightPx: number, random: Random): Buffer {
  const lines = Buffer.alloc((widthPx + 1) * heightPx);
  for (let index = 0; index < lines.length; index += 1) {
    // The first byte of a line names its filter: none.
    if (index % (widthPx + 1) !== 0) lines[index] = Math.floor(256 * random());
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(widthPx, 0);
  header.writeUInt32BE(heightPx, 4);
  header[8] = 8;
  return Buffer.concat([MAGIC, chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

/** The checksum of PNG chunks; Node has one of its own from version 22 on. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xed_b8_83_20 : 0);
  }
  return ~crc >>> 0;
}
