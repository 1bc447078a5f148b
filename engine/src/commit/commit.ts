/** A column's value in Postgres text form (UTC, ISO, `extra_float_digits` 1, bytea hex), or null. */
export type CellText = string | null;

/**
 * What one statement did to one table, column by column. `insert` and `update` carry whole row images; `delete` and
 * `evict` carry the primary key and the scope columns. An update also has the pseudo column `$changed`: per row, the
 * names of the columns that the statement changed, comma separated in catalog order. On an insert it names the columns that
 * the author's version of the catalog has; the others were filled in by a lens and are of unknown age.
 * Rows that an authority sends as the truth carry `$stamps` (the row's stamps document) and `$refused` (the stamp and node of
 * the refused commit that they take back); nobody but a parent may send these two.
 * `evict` precedes an update that moved a row to another scope, with the scope it had; who still sees the row ignores it.
 */
export interface Change {
  readonly table: string;
  readonly op: "insert" | "update" | "delete" | "evict";
  readonly columns: readonly string[];
  /** One vector per column, all of length `rowCount`. */
  readonly values: readonly (readonly CellText[])[];
  readonly rowCount: number;
}

/** What one local transaction did to the replicated tables of one tenant. Identified by (`origin`, `seq`). */
export interface Commit {
  readonly tenant: string;
  /** The incarnation of the author's database for this tenant: a uuid v7. */
  readonly origin: string;
  /** 1, 2, 3 … per origin, without gaps. */
  readonly seq: number;
  /** Hybrid logical clock: milliseconds since 1970 (UTC) × 65,536 + counter. Grows strictly within an origin. */
  readonly stamp: bigint;
  /** The authoring replica's node id (uuid) and tier. */
  readonly node: string;
  readonly tier: string;
  /** The person who wrote it, as the application named them with `hayloft.author`, or null. */
  readonly author: string | null;
  readonly catalogVersion: number;
  /** Hash of the origin's previous commit (32 zero bytes before the first). */
  readonly previousHash: Uint8Array;
  /** See `commit-hash.ts`. */
  readonly hash: Uint8Array;
  readonly changes: readonly Change[];
}

export const OUTCOMES = ["applied", "merged", "refused"] as const;
/** `merged`: applied, and at least one value lost to another under its rule. */
export type Outcome = (typeof OUTCOMES)[number];
