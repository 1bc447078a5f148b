import { platform } from "#platform";
import { invalid } from "../invalid.ts";

export const utf8Bytes = (text: string): Uint8Array => platform.utf8Bytes(text);

/** Bytes that are known to be ASCII, as text. */
export const asciiText = (bytes: Uint8Array): string => platform.asciiText(bytes);

/** Throws `frame-invalid` when the bytes are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return platform.utf8Text(bytes);
  } catch {
    throw invalid("body", "text in UTF-8");
  }
}
