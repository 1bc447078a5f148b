import { HASH_BYTES } from "../commit/commit-hash.ts";
import type { Sha256 } from "../commit/sha256.ts";
import { sha256 } from "../commit/sha256.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { LogSlice } from "../replica/replica-storage.ts";
import { encodeFrame } from "./frame-codec.ts";
import type { ProtocolLimits } from "./limits.ts";
import { defaultLimits } from "./limits.ts";

/**
 * A commit with more bytes or rows than this travels in parts of about this size. A body is never larger on the wire than in
 * the log by more than a few bytes a value, so what is below fits one frame.
 */
export const PART_BYTES = 512 * 1024;
export const PART_ROWS = 20_000;

/**
 * The messages that carry `slice`, in order: one `commits` frame when it fits; else several, of which only the last moves
 * the position to `upTo` (the others keep `after`, and the commits in them are known as duplicates when they come again).
 * Throws `frame-too-large` when a commit does not fit alone: such travel in parts.
 */
export function encodeSlice(slice: LogSlice, limits: ProtocolLimits = defaultLimits): readonly Uint8Array[] {
  try {
    return [encodeFrame({ type: "commits", slice }, limits)];
  } catch (error) {
    if (!isHayloftError(error, "frame-too-large") || slice.commits.length < 2) throw error;
  }
  const half = slice.commits.length >> 1;
  const { mark: _mark, ...unmarked } = slice;
  return [
    ...encodeSlice({ ...unmarked, upTo: slice.after, commits: slice.commits.slice(0, half) }, limits),
    ...encodeSlice({ ...slice, commits: slice.commits.slice(half) }, limits),
  ];
}

/**
 * The running digest of the parts of a commit: `sha256(previous ‖ digest of the part's first change ‖ its second …)`, where
 * `previous` is that of the part before, and the commit's hash for the first.
 */
export function partDigest(previous: Uint8Array, changeDigests: readonly Uint8Array[], hash: Sha256 = sha256): Uint8Array {
  const bytes = new Uint8Array(HASH_BYTES * (1 + changeDigests.length));
  bytes.set(previous, 0);
  for (const [index, digest] of changeDigests.entries()) bytes.set(digest, HASH_BYTES * (index + 1));
  return hash(bytes);
}
