import type { Database } from "../store/database.ts";

/** The grant under which the rows of a parent came, as `grantText`; null before the first session that told one. */
export async function grantedBy(database: Database, peer: string, tenant: string): Promise<string | null> {
  const { rows } = await database.query<{ granted: string | null }>(
    `select granted from hayloft.peer where node_id = $1::uuid and tenant_id = $2`,
    [peer, tenant],
  );
  return rows[0]?.granted ?? null;
}

/**
 * Stores the grant that the parent has told. When another was in force, the rows are to be filled anew and those outside of it
 * to be purged, also when this replica stops before that is done. Returns whether it was another.
 */
export async function takeGrant(database: Database, peer: string, tenant: string, granted: string): Promise<boolean> {
  return await database.transaction(async (tx) => {
    await tx.query(
      `insert into hayloft.peer (node_id, tenant_id, relation) values ($1::uuid, $2, 'parent') on conflict do nothing`,
      [peer, tenant],
    );
    const { rows } = await tx.query<{ granted: string | null }>(
      `select granted from hayloft.peer where node_id = $1::uuid and tenant_id = $2 for update`,
      [peer, tenant],
    );
    const before = rows[0]?.granted ?? null;
    const changed = before !== null && before !== granted;
    await tx.query(
      `update hayloft.peer set granted = $3, refill_due = refill_due or $4::boolean, purge_due = purge_due or $4::boolean,
        snapshot_cursor = case when $4::boolean then null else snapshot_cursor end
      where node_id = $1::uuid and tenant_id = $2`,
      [peer, tenant, granted, changed],
    );
    return changed;
  });
}
