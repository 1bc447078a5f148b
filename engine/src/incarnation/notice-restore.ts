import type { Log } from "../replica/log-event.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { restoreLogs } from "./find-lost.ts";

/**
 * Begins new incarnations when a server's database is opened after a restore: a point-in-time recovery and the promotion of a standby
 * begin a new timeline, and another cluster has another identifier. Children whose place in the old log is good go on from there; what
 * others have more is asked for. A copy of the files alone shows nothing here: children show it when they come.
 */
export async function noticeRestore(database: Database, hasParent: boolean, log: Log = () => undefined): Promise<void> {
  if (database.dialect !== "postgres") return;
  const restored = await database.transaction(async (tx) => {
    const store = await storeId(tx);
    if (store === null) return null;
    const { rows } = await tx.query<{ store_id: string | null }>("select store_id from hayloft.replica for update");
    const before = rows[0]?.store_id ?? null;
    if (before === store) return null;
    await tx.query("update hayloft.replica set store_id = $1", [store]);
    if (before === null) return null;
    await restoreLogs(tx, hasParent);
    return { before, store };
  });
  if (restored !== null) log({ level: "warn", event: "database-restored", peer: null, details: restored, error: null });
}

/** The cluster and its timeline; null where the role may not ask. */
async function storeId(tx: SqlSession): Promise<string | null> {
  const may = await tx.query<{ may: boolean }>("select has_function_privilege('pg_control_system()', 'execute') as may");
  if (may.rows[0]?.may !== true) return null;
  // The control file tells the new timeline only after the first checkpoint on it, which a promoted standby does not wait for.
  const { rows } = await tx.query<{ store: string }>(
    "select system_identifier || '/' || ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer as store from pg_control_system()",
  );
  return rows[0]?.store ?? null;
}
