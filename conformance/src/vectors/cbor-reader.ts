// A second implementation of the protocol's CBOR subset, written from PROTOCOL.md alone. It imports nothing of the engine, so
// that a mistake which the engine's encoder and decoder share does not go unseen.

export type Item = null | boolean | number | bigint | string | Uint8Array | readonly Item[] | ItemMap;
export interface ItemMap {
  readonly [key: string]: Item;
}

export class Refused extends Error {}

interface Source {
  readonly bytes: Uint8Array;
  at: number;
}

/** The one item that `bytes` hold. Throws `Refused` for anything outside the subset. */
export function readItem(bytes: Uint8Array, depthMax: number): Item {
  const source = { bytes, at: 0 };
  const item = readNext(source, depthMax);
  if (source.at !== bytes.length) throw new Refused("bytes after the item");
  return item;
}

function take(source: Source, count: number): Uint8Array {
  if (source.at + count > source.bytes.length) throw new Refused("truncated");
  source.at += count;
  return source.bytes.subarray(source.at - count, source.at);
}

/** The argument of an item's head in its shortest form. */
function readArgument(source: Source, minor: number): bigint {
  if (minor < 24) return BigInt(minor);
  if (minor > 27) throw new Refused("indefinite length");
  const size = 2 ** (minor - 24);
  let value = 0n;
  for (const byte of take(source, size)) value = (value << 8n) | BigInt(byte);
  const least = size === 1 ? 24n : 1n << BigInt(size * 4);
  if (value < least) throw new Refused("not the shortest form");
  return value;
}

const asNumber = (value: bigint): number | bigint =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;

function readNext(source: Source, depth: number): Item {
  const [head = 0] = take(source, 1);
  const major = head >> 5;
  const minor = head & 31;
  if (major === 7) return readSimple(source, minor);
  if (major === 6) throw new Refused("tag");
  const argument = readArgument(source, minor);
  if (major === 0) return asNumber(argument);
  if (major === 1) return asNumber(-1n - argument);
  if (argument > BigInt(source.bytes.length)) throw new Refused("longer than the frame");
  const count = Number(argument);
  if (major === 2) return take(source, count).slice();
  if (major === 3) return readText(take(source, count));
  if (depth === 0) throw new Refused("too deep");
  return major === 4 ? readArray(source, count, depth - 1) : readMap(source, count, depth - 1);
}

function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("not UTF-8");
  }
}

function readSimple(source: Source, minor: number): Item {
  if (minor === 20) return false;
  if (minor === 21) return true;
  if (minor === 22) return null;
  if (minor !== 25 && minor !== 26 && minor !== 27) throw new Refused("simple value");
  const bytes = take(source, 2 ** (minor - 24));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (minor === 27) return view.getFloat64(0);
  if (minor === 26) return view.getFloat32(0);
  return halfFloat(view.getUint16(0));
}

function halfFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : Number.NaN
        : (1024 + fraction) * 2 ** (exponent - 25);
  return bits >> 15 === 0 ? size : -size;
}

function readArray(source: Source, count: number, depth: number): Item {
  const items: Item[] = [];
  for (let index = 0; index < count; index += 1) items.push(readNext(source, depth));
  return items;
}

function readMap(source: Source, count: number, depth: number): Item {
  const entries = new Map<string, Item>();
  for (let index = 0; index < count; index += 1) {
    const key = readNext(source, depth);
    if (typeof key !== "string") throw new Refused("a key that is no text");
    if (entries.has(key)) throw new Refused("a key twice");
    entries.set(key, readNext(source, depth));
  }
  return Object.fromEntries(entries);
}
