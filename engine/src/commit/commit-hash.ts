import type { Change, Commit } from "./commit.ts";
import type { Sha256 } from "./sha256.ts";
import { sha256 } from "./sha256.ts";

/** Bytes in every hash and digest. */
export const HASH_BYTES = 32;

/** The `previousHash` of an origin's first commit: 32 zero bytes. */
export const firstPreviousHash = (): Uint8Array => new Uint8Array(HASH_BYTES);

/** The text that is stored and hashed for a change's values: the JSON text of its column vectors. */
export const changeBody = (change: Pick<Change, "values">): string => JSON.stringify(change.values);

/** `sha256(utf8(table "\n" op "\n" columns joined by "," "\n" body))`, the same as the capture triggers store. */
export function changeDigest(
  change: Pick<Change, "table" | "op" | "columns" | "values">,
  body: string = changeBody(change),
  hash: Sha256 = sha256,
): Uint8Array {
  return hash(`${change.table}\n${change.op}\n${change.columns.join(",")}\n${body}`);
}

/** A change's body and digest. */
export interface SealedChange {
  readonly body: string;
  readonly digest: Uint8Array;
}

const sealedChanges = new WeakMap<Change, SealedChange>();

/** The change's body and digest, made once for each change: whoever checks a commit mostly stores it too. */
export function sealedChange(change: Change, hash: Sha256 = sha256): SealedChange {
  const known = sealedChanges.get(change);
  if (known !== undefined) return known;
  const body = changeBody(change);
  const sealed = { body, digest: changeDigest(change, body, hash) };
  sealedChanges.set(change, sealed);
  return sealed;
}

/** What of a commit is hashed beside the digests of its changes. */
export type CommitHeader = Pick<
  Commit,
  "tenant" | "origin" | "seq" | "stamp" | "node" | "author" | "catalogVersion" | "previousHash"
>;

/**
 * `sha256(previousHash ‖ utf8(origin "\n" seq "\n" stamp "\n" tenant "\n" node "\n" (author or "") "\n" catalogVersion "\n")
 * ‖ digest₁ ‖ digest₂ …)`, the digests in the order of the changes.
 */
export function commitHashOf(header: CommitHeader, digests: readonly Uint8Array[], hash: Sha256 = sha256): Uint8Array {
  const text = new TextEncoder().encode(
    `${header.origin}\n${String(header.seq)}\n${String(header.stamp)}\n${header.tenant}\n${header.node}\n${header.author ?? ""}\n${String(header.catalogVersion)}\n`,
  );
  const bytes = new Uint8Array(HASH_BYTES + text.length + digests.length * HASH_BYTES);
  bytes.set(header.previousHash, 0);
  bytes.set(text, HASH_BYTES);
  digests.forEach((digest, index) => bytes.set(digest, HASH_BYTES + text.length + index * HASH_BYTES));
  return hash(bytes);
}

/** The hash that `commit` must carry, computed from its whole content. */
export function commitHash(commit: CommitHeader & Pick<Commit, "changes">, hash: Sha256 = sha256): Uint8Array {
  const digests = commit.changes.map((change) => sealedChange(change, hash).digest);
  return commitHashOf(commit, digests, hash);
}

/** True when the commit's content and header are what its author sealed. False too for a commit that was filtered. */
export function commitHashHolds(commit: Commit, hash: Sha256 = sha256): boolean {
  return sameBytes(commitHash(commit, hash), commit.hash);
}

/** Compares contents, not identity. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index += 1) if (left[index] !== right[index]) return false;
  return true;
}
