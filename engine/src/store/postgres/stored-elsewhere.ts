import type { Database } from "../database.ts";

/** Where a copy of the write-ahead log is: at a streaming standby, which has flushed it, or in the archive. */
export type SecondSite = "standby" | "archive";

export interface StoredElsewhere {
  /** Up to here, as a `pg_lsn`. */
  readonly wal: string;
  /** Bytes written since. */
  readonly behindBytes: number;
}

/**
 * Up to where the write-ahead log is stored at the second site; null when that cannot be told: no standby streams, nothing was archived
 * on this timeline, or the role may not see it (it needs `pg_read_all_stats`).
 */
export async function readStoredElsewhere(database: Database, site: SecondSite): Promise<StoredElsewhere | null> {
  const wal = site === "standby" ? await readFlushed(database) : await readArchived(database);
  if (wal === null) return null;
  const { rows } = await database.query<{ behind: number }>(
    "select greatest(0, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn))::bigint as behind",
    [wal],
  );
  return { wal, behindBytes: rows[0]?.behind ?? 0 };
}

async function readFlushed(database: Database): Promise<string | null> {
  const { rows } = await database.query<{ wal: string | null }>(
    "select max(flush_lsn)::text as wal from pg_stat_replication where state = 'streaming'",
  );
  return rows[0]?.wal ?? null;
}

interface Archived {
  readonly file: string | null;
  readonly timeline: string;
  readonly segment_bytes: string;
}

async function readArchived(database: Database): Promise<string | null> {
  const { rows } = await database.query<Archived>(
    `select last_archived_wal as file, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as timeline,
      (select setting from pg_settings where name = 'wal_segment_size') as segment_bytes from pg_stat_archiver`,
  );
  const [row] = rows;
  return row === undefined || row.file === null ? null : endOfSegment(row.file, row.timeline, BigInt(row.segment_bytes));
}

/**
 * The position behind a segment file of the timeline; null for any other file. A name has 8 hexadecimal digits each for timeline, the
 * upper half of the position, and the segment within that.
 */
export function endOfSegment(file: string, timeline: string, segmentBytes: bigint): string | null {
  if (!/^[0-9A-F]{24}$/.test(file) || file.slice(0, 8) !== timeline) return null;
  const upper = BigInt(`0x${file.slice(8, 16)}`);
  const end = (upper << 32n) + (BigInt(`0x${file.slice(16)}`) + 1n) * segmentBytes;
  return `${hex(end >> 32n)}/${hex(end & 0xffff_ffffn)}`;
}

const hex = (value: bigint): string => value.toString(16).toUpperCase();
