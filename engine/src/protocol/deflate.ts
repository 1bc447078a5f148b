import { deflateRawSync, inflateRawSync } from "node:zlib";
import { plainBytes } from "../commit/plain-bytes.ts";
import { invalid } from "./invalid.ts";

/**
 * Raw deflate (RFC 1951). A browser build supplies its own. Level 1: for 1,000 telemetry rows 28.8 bytes a row in 0.3 µs; level
 * 6 gives 28.6 in 0.45, Huffman coding alone 37.
 */
export const deflate = (bytes: Uint8Array): Uint8Array => plainBytes(deflateRawSync(bytes, { level: 1 }));

/**
 * Inflates to exactly `size` bytes. `size` was declared by the sender and checked against the limit by the caller, so
 * memory is bounded before inflating. Throws `frame-invalid` when the bytes are not raw deflate or give another size.
 */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
  let inflated: Uint8Array;
  try {
    inflated = inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw invalid("body", "raw deflate of the declared size");
  }
  if (inflated.length !== size) throw invalid("body", "raw deflate of the declared size");
  return plainBytes(inflated);
}
