import { HASH_BYTES, sameBytes } from "../commit/commit-hash.ts";
import type { Sha256 } from "../commit/sha256.ts";
import type { NodeIdentity } from "../identity/node-identity.ts";
import { MARK_BYTES } from "../protocol/limits.ts";
import type { Cursor } from "../replica/replica-storage.ts";

/** What marks are made with: a secret that survives the loss of the database. */
export interface MarkKey {
  readonly secret: Uint8Array;
  readonly sha256: Sha256;
}

/** The secret of a node's marks, which follows from its key. */
export const markSecretOf = (identity: Pick<NodeIdentity, "sign">, sha256: Sha256): Uint8Array =>
  sha256(identity.sign(utf8.encode("hayloft/1 marks")));

type Place = Pick<Cursor, "tenant" | "incarnation" | "position">;

const utf8 = new TextEncoder();

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left, 0);
  bytes.set(right, left.length);
  return bytes;
}

/** Twice, so that nobody can lengthen what was hashed. */
function codeOf({ secret, sha256 }: MarkKey, { tenant, incarnation, position }: Place, hash: Uint8Array): Uint8Array {
  const said = joined(utf8.encode(`hayloft/1 mark\n${incarnation}\n${String(position)}\n${tenant}\n`), hash);
  return sha256(joined(secret, sha256(joined(secret, said))));
}

/**
 * What a parent says of a position of its log: the hash of the commit there, and a code that only it can make. A child shows it again,
 * and so the parent can believe that it once had that commit, whatever its database says now.
 */
export const markOf = (key: MarkKey, place: Place, hash: Uint8Array): Uint8Array => joined(hash, codeOf(key, place, hash));

/** The hash in a mark that we made of this position; null for any other. */
export function readMark(key: MarkKey, cursor: Cursor): Uint8Array | null {
  const { mark } = cursor;
  if (mark?.length !== MARK_BYTES) return null;
  const hash = mark.slice(0, HASH_BYTES);
  return sameBytes(mark.slice(HASH_BYTES), codeOf(key, cursor, hash)) ? hash : null;
}
