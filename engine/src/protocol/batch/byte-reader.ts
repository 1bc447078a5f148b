import { invalid, tooLarge } from "../invalid.ts";
import { utf8Text } from "./plain-text.ts";

/** Reads what `ByteWriter` wrote. Every read is checked against the end; a failure is `frame-invalid`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw truncated();
    this.#at += 1;
    return value;
  }

  /** A safe integer in its shortest form. */
  unsigned(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (;;) {
      const next = bytes[this.#at];
      if (next === undefined) throw truncated();
      this.#at += 1;
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (next === 0 && scale > 1) throw invalid("body", "integers in shortest form");
        if (value > Number.MAX_SAFE_INTEGER) throw invalid("body", "safe integers");
        return value;
      }
      scale *= 128;
      if (scale > Number.MAX_SAFE_INTEGER) throw invalid("body", "safe integers");
    }
  }

  signed(): number {
    const value = this.unsigned();
    if (value <= 0x7fff_ffff) return (value >>> 1) ^ -(value & 1);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** An unsigned integer that counts things; above `max` is `frame-too-large` under the limit's name. */
  count(max: number, limit: string): number {
    const value = this.unsigned();
    if (value > max) throw tooLarge(limit, max);
    return value;
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw truncated();
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  text(bytesMax: number): string {
    const length = this.unsigned();
    if (length > bytesMax) throw invalid("body", `text of at most ${String(bytesMax)} bytes`);
    return utf8Text(this.bytes(length));
  }

  end(): void {
    if (this.left > 0) throw invalid("body", "nothing after the body");
  }
}

const truncated = (): Error => invalid("body", "a whole body");
