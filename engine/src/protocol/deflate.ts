import { platform } from "#platform";
import { invalid } from "./invalid.ts";

/** Raw deflate (RFC 1951). */
export const deflate = (bytes: Uint8Array): Uint8Array => platform.deflate(bytes);

/**
 * Inflates to exactly `size` bytes. `size` was declared by the sender and checked against the limit by the caller, so
 * memory is bounded before inflating. Throws `frame-invalid` when the bytes are not raw deflate or give another size.
 */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
  let inflated: Uint8Array;
  try {
    inflated = platform.inflate(bytes, size);
  } catch {
    throw invalid("body", "raw deflate of the declared size");
  }
  if (inflated.length !== size) throw invalid("body", "raw deflate of the declared size");
  return inflated;
}
