import type { Change, Commit } from "@hayloft/engine";
import { changeBody, changeDigest, changesBytes, PART_BYTES, partDigest, sha256 } from "@hayloft/engine";

export const digestOf = (previous: Uint8Array, changes: readonly Change[]): Uint8Array =>
  partDigest(
    previous,
    changes.map((change) => changeDigest(change, changeBody(change), sha256)),
    sha256,
  );

/** Many commits of several changes go in parts here, so that every kind of fault meets them. */
export const isLarge = ({ changes }: Commit): boolean => changes.length > 3 || changesBytes(changes) > PART_BYTES;
