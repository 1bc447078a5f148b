import type { Change } from "./commit.ts";

/** About how many bytes changes take in a frame, or a little more: their texts in UTF-8, and what stands between them. */
export function changesBytes(changes: readonly Change[]): number {
  let bytes = 0;
  for (const { table, columns, values } of changes) {
    bytes += 64 + table.length;
    for (const column of columns) bytes += column.length + 4;
    for (const vector of values) for (const value of vector) bytes += 4 + (value === null ? 0 : utf8Length(value));
  }
  return bytes;
}

const ascii = /^[\x00-\x7f]*$/;

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  if (ascii.test(text)) return text.length;
  let bytes = text.length;
  for (let place = 0; place < text.length; place += 1) {
    const unit = text.codePointAt(place) ?? 0;
    if (unit >= 0x80) bytes += unit < 0x8_00 ? 1 : 2;
    // A pair of units is one character of four bytes.
    if (unit > 0xff_ff) place += 1;
  }
  return bytes;
}
