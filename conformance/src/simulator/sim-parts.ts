import type { Change, Commit } from "@hayloft/engine";
import { changeBody, changeDigest, changesBytes, PART_BYTES, partDigest } from "@hayloft/engine";
import { nodeSha256 } from "./sim-store.ts";

export const digestOf = (previous: Uint8Array, changes: readonly Change[]): Uint8Array =>
  partDigest(
    previous,
    changes.map((change) => changeDigest(change, changeBody(change), nodeSha256)),
    nodeSha256,
  );

/** Most commits of several changes go in parts here, so that every kind of fault meets them. */
export const isLarge = ({ changes }: Commit): boolean => changes.length > 2 || changesBytes(changes) > PART_BYTES;
