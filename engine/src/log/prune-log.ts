import type { Catalog } from "../catalog/catalog.ts";
import { pruneJournal } from "../journal/prune-journal.ts";
import type { Database, SqlSession } from "../store/database.ts";

export interface PruneOptions {
  /** Acknowledged commits are kept at least that long, so that a restored parent can have them again. */
  readonly olderThanMs: number;
  /** A child that was not heard of for longer does not hold the log back; it takes a snapshot when it returns. Default 30 days. */
  readonly childAbsentMs?: number;
  readonly nowMs: number;
  /**
   * How long, in ms, a commit waits to be safe (D4) where the parent says such things: with a standby or an archive that stands still the log would grow
   * without end. Default 30 days.
   */
  readonly unsafeKeptMs?: number;
  /**
   * How long, in ms, a commit waits for a child that comes and never takes it: one that is stuck would make the log grow without end. It takes a
   * snapshot when it goes on. Default 90 days.
   */
  readonly childStuckMs?: number;
  /** True when this replica dials a parent: nothing is pruned before the parent has acknowledged it. */
  readonly hasParent: boolean;
}

export interface PrunedLog {
  readonly tenant: string;
  /** Commits up to this position are gone. */
  readonly position: number;
  readonly commits: number;
  /** Entries of the loss journal that are gone. */
  readonly losses: number;
}

/** Outcomes outlive the log by that much. */
const OUTCOME_KEPT_MS = 365 * 86_400_000;
const CHILD_ABSENT_MS = 30 * 86_400_000;
const UNSAFE_KEPT_MS = 30 * 86_400_000;
const CHILD_STUCK_MS = 90 * 86_400_000;
/** What a child began to send in parts and did not go on with for so long is dropped; it begins again. */
const STAGED_MS = 7 * 86_400_000;

/**
 * Deletes commits that are older than the retention, acknowledged by the parent and by every child that was lately here and is not stuck, and safe where the
 * parent says how far that is,
 * and the tombstones and told outcomes of that age, and parts of commits that nobody went on with for a week. Readers behind the new horizon get `behind-horizon` and take a snapshot.
 */
export async function pruneLog(database: Database, catalog: Catalog, options: PruneOptions): Promise<readonly PrunedLog[]> {
  const heads = await database.query<{ tenant_id: string }>(`select tenant_id from hayloft.head order by tenant_id`);
  const pruned: PrunedLog[] = [];
  for (const { tenant_id: tenant } of heads.rows) {
    pruned.push(await database.transaction(async (tx) => await pruneTenant(tx, catalog, tenant, options)));
  }
  return pruned;
}

async function pruneTenant(tx: SqlSession, catalog: Catalog, tenant: string, options: PruneOptions): Promise<PrunedLog> {
  const losses = await pruneJournal(tx, catalog, tenant, options.nowMs);
  const before = new Date(options.nowMs - options.olderThanMs);
  await tx.query(`delete from hayloft.staged where tenant_id = $1 and staged_at < $2::timestamptz`, [
    tenant,
    new Date(options.nowMs - STAGED_MS),
  ]);
  await tx.query(`select 1 from hayloft.lock_head($1)`, [tenant]);
  const { rows } = await tx.query<{ position: number | null }>(
    `select max(position) as position from hayloft.commit c
    where c.tenant_id = $1 and c.sealed_at < $2::timestamptz
      and not exists (select 1 from hayloft.commit newer where newer.tenant_id = $1 and newer.position < c.position and newer.sealed_at >= $2::timestamptz)
      and c.position <= least(
        (select case when $4::boolean then coalesce(max(p.acked_position) filter (where p.acked_incarnation = h.incarnation), 0) else h.position end
          from hayloft.head h left join hayloft.peer p on p.tenant_id = h.tenant_id and p.relation = 'parent'
          where h.tenant_id = $1 group by h.position),
        (select greatest(min(case when p.safe_incarnation = h.incarnation then p.safe_position else 0 end),
            (select max(old.position) from hayloft.commit old where old.tenant_id = $1 and old.sealed_at < $5::timestamptz))
          from hayloft.peer p join hayloft.head h on h.tenant_id = p.tenant_id
          where p.tenant_id = $1 and p.relation = 'parent' and p.acked_incarnation = h.incarnation and p.safe_position is not null
          having count(*) > 0),
        (select greatest(min(coalesce(p.acked_position, 0)),
            (select max(old.position) from hayloft.commit old where old.tenant_id = $1 and old.sealed_at < $6::timestamptz))
          from hayloft.peer p join hayloft.head h on h.tenant_id = p.tenant_id
          where p.tenant_id = $1 and p.relation = 'child' and p.acked_incarnation = h.incarnation and p.last_contact_at >= $3::timestamptz
          having count(*) > 0))`,
    [
      tenant,
      before,
      new Date(options.nowMs - (options.childAbsentMs ?? CHILD_ABSENT_MS)),
      options.hasParent,
      new Date(options.nowMs - (options.unsafeKeptMs ?? UNSAFE_KEPT_MS)),
      new Date(options.nowMs - (options.childStuckMs ?? CHILD_STUCK_MS)),
    ],
  );
  const position = rows[0]?.position ?? 0;
  if (position === 0) return { tenant, position, commits: 0, losses };
  await tx.query(
    `delete from hayloft.change ch using hayloft.commit c
    where ch.tenant_id = $1 and c.tenant_id = $1 and c.txn = ch.txn and c.position <= $2`,
    [tenant, position],
  );
  const deleted = await tx.query(`delete from hayloft.commit where tenant_id = $1 and position <= $2`, [tenant, position]);
  await tx.query(`update hayloft.head set pruned_position = greatest(pruned_position, $2::bigint) where tenant_id = $1`, [
    tenant,
    position,
  ]);
  await pruneDerived(tx, catalog, tenant, before);
  return { tenant, position, commits: deleted.affected, losses };
}

/** Outcomes that were told, and tombstones, of the same age; of these only such as no commit still in the log is older than. */
async function pruneDerived(tx: SqlSession, catalog: Catalog, tenant: string, before: Date): Promise<void> {
  await tx.query(`delete from hayloft.progress where tenant_id = $1 and at < $2::timestamptz`, [tenant, before]);
  // A receipt is asked for long after its commit is gone, and an outcome never changes.
  const outcomesBefore = new Date(before.getTime() - OUTCOME_KEPT_MS);
  await tx.query(
    `delete from hayloft.outcome where tenant_id = $1 and at < $2::timestamptz and (peer is null or told_position is not null)`,
    [tenant, outcomesBefore],
  );
  await tx.query(
    `delete from hayloft.row_state where tenant_id = $1 and deleted and dead
      and table_name = any($3::text[]) and (stamps -> '$deleted' ->> 0)::bigint < least($2::bigint, (select min(stamp) from hayloft.commit where tenant_id = $1))`,
    [tenant, BigInt(before.getTime()) << 16n, [...catalog.byName.keys()]],
  );
}
