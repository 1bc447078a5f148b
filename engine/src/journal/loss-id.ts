import { uuidOfHash } from "../catalog/derived-id.ts";
import type { Sha256 } from "../commit/sha256.ts";
import type { CellWrite } from "../merge/row-losses.ts";

/**
 * The id of a journal entry, a uuid v8: it names the write that lost, by table, key, column, stamp and node, and nothing else.
 * So the same loss is one entry however often it is noticed, on whatever way, and it is the same entry on every replica, even
 * where another value of a chain of losers was seen to win.
 */
export function lossId(sha256: Sha256, tenant: string, { table, key, column, written }: CellWrite): string {
  return uuidOfHash(sha256(JSON.stringify(["loss", tenant, table, ...key, column, written.stamp.toString(), written.node])));
}

/** The id of an entry that is about no single value: a purge, or a commit that got another stamp. */
export function eventId(sha256: Sha256, tenant: string, kind: string, parts: readonly string[]): string {
  return uuidOfHash(sha256(JSON.stringify([kind, tenant, ...parts])));
}
