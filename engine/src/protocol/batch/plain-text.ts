import { isUtf8 } from "node:buffer";
import { invalid } from "../invalid.ts";

// The one place of the codec that uses Node's Buffer: its conversions are several times faster than TextDecoder's.

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const utf8Bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");

/** Throws `frame-invalid` when the bytes are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw invalid("body", "text in UTF-8");
  return view(bytes).toString("utf8");
}

/** Bytes that are known to be ASCII, as text. */
export const asciiText = (bytes: Uint8Array): string => view(bytes).toString("latin1");
