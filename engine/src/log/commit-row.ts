import type { CellText, Change, Commit } from "../commit/commit.ts";

/** A row of `hayloft.commit`, as `COMMIT_COLUMNS` selects it. */
export interface CommitRow {
  readonly position: number;
  readonly txn: number;
  readonly origin: string;
  readonly seq: number;
  /** Text, since a stamp is no safe integer. */
  readonly stamp: string;
  readonly node_id: string;
  readonly tier: string;
  readonly author: string | null;
  readonly catalog_version: number;
  readonly previous_hash: Uint8Array;
  readonly hash: Uint8Array;
  readonly via: string | null;
  readonly row_count: number;
  readonly byte_count: number;
}

export const COMMIT_COLUMNS = `position, txn, origin, seq, stamp::text as stamp, node_id, tier, author, catalog_version,
  previous_hash, hash, via, row_count, byte_count`;

/** A row of `hayloft.change`. */
export interface ChangeRow {
  readonly txn: number;
  readonly table_name: string;
  readonly op: Change["op"];
  readonly columns: string;
  readonly row_count: number;
  readonly body: string;
}

export const changeOfRow = (row: ChangeRow): Change => ({
  table: row.table_name,
  op: row.op,
  columns: row.columns.split(","),
  values: JSON.parse(row.body) as CellText[][],
  rowCount: row.row_count,
});

export const commitOfRow = (tenant: string, row: CommitRow, changes: readonly Change[]): Commit => ({
  tenant,
  origin: row.origin,
  seq: row.seq,
  stamp: BigInt(row.stamp),
  node: row.node_id,
  tier: row.tier,
  author: row.author,
  catalogVersion: row.catalog_version,
  previousHash: row.previous_hash,
  hash: row.hash,
  changes,
});
