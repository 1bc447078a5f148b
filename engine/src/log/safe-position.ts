import type { AckRecord } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";

/**
 * Takes in, at a parent on Postgres, that its write-ahead log up to `wal` (a `pg_lsn`) is stored at another site. Afterwards each child's
 * log is safe up to where it was received when the mark that has been reached now was made, and the next mark is made. A child whose
 * changes are being applied right now is left for the next call. Returns per tenant a number that grows when a child has news.
 */
export async function moveSafePositions(database: Database, wal: string): Promise<ReadonlyMap<string, number>> {
  return await database.transaction(async (tx) => {
    await tx.query(
      `with free as (
        select node_id, tenant_id from hayloft.peer where relation = 'child' and marked_wal <= $1::pg_lsn for update skip locked)
      update hayloft.peer p set safe_incarnation = p.marked_incarnation, safe_position = p.marked_position, marked_wal = null
      from free where p.node_id = free.node_id and p.tenant_id = free.tenant_id`,
      [wal],
    );
    await markReceived(tx);
    const { rows } = await tx.query<{ tenant_id: string; total: number }>(
      `select tenant_id, sum(safe_position)::bigint as total from hayloft.peer where relation = 'child' and safe_position is not null group by tenant_id`,
    );
    return new Map(rows.map(({ tenant_id, total }) => [tenant_id, total]));
  });
}

/** What this transaction sees of a child is in the write-ahead log before the place where that ends now. */
async function markReceived(tx: SqlSession): Promise<void> {
  await tx.query(
    `with free as (
      select node_id, tenant_id from hayloft.peer where relation = 'child' and marked_wal is null and received_position is not null
        and (safe_incarnation, safe_position) is distinct from (received_incarnation, received_position) for update skip locked)
    update hayloft.peer p set marked_incarnation = p.received_incarnation, marked_position = p.received_position,
      marked_wal = pg_current_wal_insert_lsn()
    from free where p.node_id = free.node_id and p.tenant_id = free.tenant_id`,
  );
}

/** Stores, at a child, up to where its log survives the loss of the parent's site; never back within an incarnation. */
export async function recordSafePosition(tx: SqlSession, { peer, tenant, incarnation, safe = 0 }: AckRecord): Promise<void> {
  if (safe === 0) return;
  const { affected } = await tx.query(
    `update hayloft.peer set safe_incarnation = $3::uuid, safe_position = $4::bigint
    where node_id = $1::uuid and tenant_id = $2 and relation = 'parent' and (safe_incarnation is distinct from $3::uuid or safe_position < $4::bigint)`,
    [peer, tenant, incarnation, safe],
  );
  if (affected === 0) return;
  await tx.query(
    `insert into hayloft.progress (tenant_id, kind, origin, up_to, level) values ($1, 'safe', $2::uuid, $3::bigint, 'D4') on conflict do nothing`,
    [tenant, incarnation, safe],
  );
}
