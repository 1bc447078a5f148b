import type { Database } from "../database.ts";

/** Above it the log is written into the tables: that bounds the disk it takes and the time of a recovery. */
const LOG_BYTES_MAX = 128 * 1024 * 1024;

/**
 * Makes a checkpoint when the write-ahead log since the last one is longer than `logBytesMax`; true when it did. A server has a process for
 * this; PGlite has none, and without a call of this the log grows for as long as the database is open.
 */
export async function checkpointWhenDue(database: Database, logBytesMax = LOG_BYTES_MAX): Promise<boolean> {
  if (database.dialect !== "pglite") return false;
  const { rows } = await database.query<{ due: boolean }>(
    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) > $1::bigint as due from pg_control_checkpoint()",
    [logBytesMax],
  );
  if (rows[0]?.due !== true) return false;
  await database.script("CHECKPOINT");
  return true;
}
