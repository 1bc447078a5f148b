import { invalid } from "../invalid.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { asciiText, utf8Bytes } from "./plain-text.ts";

const UUID_CHARACTERS = 36;
const UUID_BYTES = 16;
const DASH = 45;
/** Where each byte's two digits begin in the text form. */
const DIGIT_AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;

/** The value of a lower-case hex digit's character code, 255 for any other. */
const digitOf = new Uint8Array(256).fill(255);
const digits = new Uint8Array(16);
for (let value = 0; value < digits.length; value += 1) {
  const code = "0123456789abcdef".charCodeAt(value);
  digitOf[code] = value;
  digits[value] = code;
}

/**
 * Lower-case uuids as 16 planes: the first byte of every value, then the second of every value, and so on, so that what
 * ids of one time have in common lies together. Returns false, with nothing written, when a value has another form.
 */
export function writeUuids(writer: ByteWriter, values: readonly string[]): boolean {
  for (const value of values) if (value.length !== UUID_CHARACTERS) return false;
  const text = utf8Bytes(values.join(""));
  const count = values.length;
  if (text.length !== count * UUID_CHARACTERS) return false;
  const planes = new Uint8Array(count * UUID_BYTES);
  for (let index = 0, base = 0; index < count; index += 1, base += UUID_CHARACTERS) {
    if (text[base + 8] !== DASH || text[base + 13] !== DASH || text[base + 18] !== DASH || text[base + 23] !== DASH) return false;
    let wrong = 0;
    for (let plane = 0, to = index; plane < UUID_BYTES; plane += 1, to += count) {
      const at = base + (DIGIT_AT[plane] ?? 0);
      const high = digitOf[text[at] ?? 0] ?? 255;
      const low = digitOf[text[at + 1] ?? 0] ?? 255;
      wrong |= high | low;
      planes[to] = (high << 4) | low;
    }
    if (wrong > 15) return false;
  }
  writer.bytes(planes);
  return true;
}

export function readUuids(reader: ByteReader, count: number): string[] {
  const planes = reader.bytes(count * UUID_BYTES);
  const text = new Uint8Array(count * UUID_CHARACTERS).fill(DASH);
  for (let index = 0, base = 0; index < count; index += 1, base += UUID_CHARACTERS) {
    for (let plane = 0, from = index; plane < UUID_BYTES; plane += 1, from += count) {
      const value = planes[from] ?? 0;
      const at = base + (DIGIT_AT[plane] ?? 0);
      text[at] = digits[value >> 4] ?? 0;
      text[at + 1] = digits[value & 15] ?? 0;
    }
  }
  const whole = asciiText(text);
  const values: string[] = [];
  for (let index = 0, at = 0; index < count; index += 1, at += UUID_CHARACTERS) {
    values.push(whole.substring(at, at + UUID_CHARACTERS));
  }
  return values;
}

/** One uuid as its 16 bytes. Throws `frame-invalid` at `path` when it is not a lower-case uuid. */
export function writeOneUuid(writer: ByteWriter, value: string, path: string): void {
  if (!writeUuids(writer, [value])) throw invalid(path, "a lower-case uuid");
}

export function readOneUuid(reader: ByteReader): string {
  return readUuids(reader, 1)[0] ?? "";
}
