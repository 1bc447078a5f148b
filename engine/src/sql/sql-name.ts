import { sha256 } from "../commit/sha256.ts";

/** Reserved words of Postgres 15–18, which name a column or table only in quotes. */
const reserved = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross current_catalog current_date current_role current_schema current_time
  current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
  full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
  localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right
  select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
  variadic verbose when where window with`.split(/\s+/),
);

/** A name as SQL text, in quotes where it needs them. */
export function sqlName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Names as SQL text, comma separated. */
export const sqlNames = (names: readonly string[]): string => names.map(sqlName).join(", ");

/** A text literal. */
export const sqlText = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Postgres cuts names after 63 bytes. A longer one ends in a hash of the whole instead, so that names stay apart. */
export function objectName(...parts: readonly string[]): string {
  const name = parts.join("_");
  if (name.length <= 63) return name;
  const hash = Array.from(sha256(name).slice(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${name.slice(0, 54)}_${hash}`;
}
