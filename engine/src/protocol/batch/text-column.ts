import { invalid } from "../invalid.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { asciiText, utf8Bytes, utf8Text } from "./plain-text.ts";

/** Half of a surrogate pair that stands alone: no Postgres text can hold it, and UTF-8 has no form for it. */
const loneSurrogate = /\p{Surrogate}/u;

/** Any text: the values' lengths in bytes, then all values in UTF-8 behind one another. */
export function writeTexts(writer: ByteWriter, values: readonly string[]): void {
  const joined = values.join("");
  const bytes = utf8Bytes(joined);
  if (bytes.length === joined.length) {
    for (const value of values) writer.unsigned(value.length);
  } else {
    for (const value of values) {
      if (loneSurrogate.test(value)) throw invalid("values", "well-formed Unicode");
      writer.unsigned(utf8Bytes(value).length);
    }
  }
  writer.bytes(bytes);
}

export function readTexts(reader: ByteReader, count: number): string[] {
  // A length takes at least one byte: nothing is allocated for more than there can be.
  if (count > reader.left) throw invalid("body", "a whole body");
  const lengths: number[] = [];
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    const length = reader.unsigned();
    lengths.push(length);
    total += length;
  }
  const bytes = reader.bytes(total);
  const whole = utf8Text(bytes);
  return whole.length === bytes.length ? cutText(whole, lengths) : cutBytes(bytes, lengths);
}

function cutText(whole: string, lengths: readonly number[]): string[] {
  let at = 0;
  return lengths.map((length) => {
    const start = at;
    at += length;
    return whole.substring(start, at);
  });
}

function cutBytes(bytes: Uint8Array, lengths: readonly number[]): string[] {
  let at = 0;
  return lengths.map((length) => {
    const start = at;
    at += length;
    // Checked once more: the whole may be UTF-8 and be cut inside a character.
    return utf8Text(bytes.subarray(start, at));
  });
}

/** Cuts ASCII bytes at `ends` into texts. */
export function cutAscii(bytes: Uint8Array, ends: Uint32Array): string[] {
  const whole = asciiText(bytes);
  const values: string[] = [];
  let start = 0;
  for (let index = 0; index < ends.length; index += 1) {
    const end = ends[index] ?? 0;
    values.push(whole.substring(start, end));
    start = end;
  }
  return values;
}
