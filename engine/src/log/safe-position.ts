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

/**
 * Stores, at a child, up to where its log survives the loss of the parent's site; never back within an incarnation. A child that has
 * children itself knows by that what of theirs does.
 */
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
  await passSafePositions(tx, { tenant, log: incarnation, safe });
}

/** A relay's own log, which has what came from its children, and up to where that is safe. */
interface SafeLog {
  readonly tenant: string;
  readonly log: string;
  readonly safe: number;
}

/**
 * Afterwards the log of each child is safe up to where it was received when our own log ended at a position that is safe now. Of a child
 * of which a commit is held here nothing new is marked: that commit is in no log of ours, so it is nowhere else.
 */
async function passSafePositions(tx: SqlSession, own: SafeLog): Promise<void> {
  // A child whose changes are being applied right now is left for the next time. The locks come first: what is received is in our log
  // by the time of the statements behind them.
  const { rows } = await tx.query<{ node_id: string }>(
    `select node_id from hayloft.peer where tenant_id = $1 and relation = 'child' and received_position is not null for update skip locked`,
    [own.tenant],
  );
  const children = rows.map(({ node_id }) => node_id);
  if (children.length === 0) return;
  await reachMarks(tx, own, children);
  await tx.query(
    `update hayloft.peer p set marked_incarnation = p.received_incarnation, marked_position = p.received_position,
      marked_log = h.incarnation, marked_log_position = h.position
    from hayloft.head h where h.tenant_id = $1 and p.tenant_id = $1 and p.node_id = any($2::uuid[])
      and p.marked_log is distinct from h.incarnation
      and (p.safe_incarnation, p.safe_position) is distinct from (p.received_incarnation, p.received_position)
      and not exists (select 1 from hayloft.quarantine q where q.tenant_id = $1 and q.peer = p.node_id and q.state = 'held')`,
    [own.tenant, children],
  );
  await reachMarks(tx, own, children);
}

async function reachMarks(tx: SqlSession, { tenant, log, safe }: SafeLog, children: readonly string[]): Promise<void> {
  await tx.query(
    `update hayloft.peer set safe_incarnation = marked_incarnation, safe_position = marked_position, marked_log = null
    where tenant_id = $1 and node_id = any($2::uuid[]) and marked_log = $3::uuid and marked_log_position <= $4::bigint`,
    [tenant, children, log, safe],
  );
}
