import { sha256 } from "../commit/sha256.ts";

/**
 * The id of a row with a natural key: a uuid v8 (RFC 9562) made from the sha256 of the table's name and the key's values,
 * so that every replica gives equal keys the same id. Equal to `hayloft.derived_id` in SQL.
 * `keyValues` are in the order of the rule's `key`, in Postgres text form: uuids in lower case, dates as `YYYY-MM-DD`,
 * times in UTC as `2026-11-23 14:47:00+00`, numbers with their column's scale.
 */
export function derivedId(table: string, keyValues: readonly (string | null)[]): string {
  return uuidOfHash(sha256(JSON.stringify([table, ...keyValues])));
}

/** A uuid v8 made from the first 16 bytes of a hash. */
export function uuidOfHash(hash: Uint8Array): string {
  const bytes = hash.slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
