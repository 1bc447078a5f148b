import { invalid } from "../invalid.ts";
import { utf8Bytes } from "./plain-text.ts";

/** Numbers above this are not written: the zigzag form of a delta must stay a safe integer. Exclusive. */
export const SIGNED_END = 2 ** 52;

/** Grows as needed. Integers are base-128, low groups first, the top bit of a byte saying that another follows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written so far; valid until the next write. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes back everything written after `length`. */
  rewind(length: number): void {
    this.#length = length;
  }

  byte(value: number): void {
    this.#ensure(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** A safe integer that is not negative. */
  unsigned(value: number): void {
    this.#ensure(8);
    let rest = value;
    while (rest > 0x7fff_ffff) {
      this.#bytes[this.#length] = (rest % 128) | 0x80;
      this.#length += 1;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#bytes[this.#length] = (rest & 0x7f) | 0x80;
      this.#length += 1;
      rest >>>= 7;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** An integer within ±`SIGNED_END`: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
  signed(value: number): void {
    this.unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  }

  bytes(value: Uint8Array): void {
    this.#ensure(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Length in bytes, then UTF-8. Throws `frame-invalid` at `path` above `bytesMax`. */
  text(value: string, bytesMax = Number.MAX_SAFE_INTEGER, path = ""): void {
    const bytes = utf8Bytes(value);
    if (bytes.length > bytesMax) throw invalid(path, `text of at most ${String(bytesMax)} bytes`);
    this.unsigned(bytes.length);
    this.bytes(bytes);
  }

  #ensure(extra: number): void {
    const needed = this.#length + extra;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
