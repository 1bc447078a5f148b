import { HayloftError } from "../error/hayloft-error.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { Database } from "../store/database.ts";
import type { LogEnd } from "./pack-directory.ts";

/** Room for what the shutdown still writes. */
const LOG_LEFT_BYTES = 256 * 1024;

/** Shrinks the cluster to its one database, and begins a new file of the log, so that of the log this one is enough. */
export async function shrinkCluster(database: Database): Promise<LogEnd> {
  const { rows } = await database.query<{ name: string }>(
    "select datname as name from pg_database where datname <> current_database() order by datname",
  );
  for (const { name } of rows) {
    await database.script(`alter database ${sqlName(name)} is_template false`);
    await database.script(`drop database ${sqlName(name)}`);
  }
  await database.query("select pg_switch_wal()");
  await database.script("checkpoint");
  const [end] = (
    await database.query<{ segment: string; bytes: number }>(
      `select pg_walfile_name(lsn) as segment, (pg_walfile_name_offset(lsn)).file_offset::integer as bytes
      from (select pg_current_wal_insert_lsn() as lsn) now`,
    )
  ).rows;
  if (end === undefined) throw new HayloftError("store-failed", { reason: "the end of the log is unknown" });
  return { segment: end.segment, bytes: end.bytes + LOG_LEFT_BYTES };
}
