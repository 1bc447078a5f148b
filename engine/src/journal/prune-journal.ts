import type { Catalog } from "../catalog/catalog.ts";
import type { SqlSession } from "../store/database.ts";

const DAY_MS = 86_400_000;
/** How long entries are kept that are about no table, and of tables that the catalog does not name any more. */
const OTHER_DAYS = 90;

/**
 * Deletes the entries of a tenant that are older than their table's `journal.days`, and of what is left the oldest beyond
 * `journal.entriesMax`. Between two runs a table may have more. Returns how many went.
 */
export async function pruneJournal(tx: SqlSession, catalog: Catalog, tenant: string, nowMs: number): Promise<number> {
  const { rows } = await tx.query<{ table_name: string; count: number }>(
    `select table_name, count(*) as count from hayloft.loss where tenant_id = $1 group by table_name`,
    [tenant],
  );
  let count = 0;
  for (const { table_name: table } of rows) {
    const keep = catalog.byName.get(table)?.journal;
    const before = new Date(nowMs - (keep?.days ?? OTHER_DAYS) * DAY_MS);
    const old = await tx.query(
      `delete from hayloft.loss where tenant_id = $1 and table_name = $2 and noticed_at < $3::timestamptz`,
      [tenant, table, before],
    );
    const many = await tx.query(
      `delete from hayloft.loss where tenant_id = $1 and id in (select id from hayloft.loss where tenant_id = $1 and table_name = $2
        order by noticed_at desc, id desc offset $3::bigint)`,
      [tenant, table, keep?.entriesMax ?? Number.MAX_SAFE_INTEGER],
    );
    count += old.affected + many.affected;
  }
  return count;
}
