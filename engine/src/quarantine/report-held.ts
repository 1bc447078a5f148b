import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { SqlSession } from "../store/database.ts";
import { REPORT_TABLE } from "./quarantine-tables.ts";

/** Reports written by one transaction. */
const REPORTS_MAX = 100;
/** Larger commits are reported without their values, which stay where they are held. */
const CHANGES_BYTES_MAX = 64 * 1024;

/** True when this replica tells its parent what it holds. */
export const reportsHeld = (env: ReplicaEnvironment): boolean => env.hasParent && env.catalog.byName.has(REPORT_TABLE);

/**
 * Writes what this replica holds for others, where that has changed since it was reported, as ordinary rows: they are captured
 * and go up with everything else. Returns how many; call it again while it returns any.
 */
export async function reportHeld(tx: SqlSession, env: ReplicaEnvironment, tenant: string): Promise<number> {
  const { affected } = await tx.query(
    `with due as (
      select q.* from hayloft.quarantine q where q.tenant_id = $1 and q.peer is not null
        and q.reported is distinct from concat_ws(' ', q.state, q.code, q.cause_origin, q.cause_seq)
      order by q.held_order limit $4 for update),
    written as (
      insert into ${REPORT_TABLE} as r (tenant_id, node_id, origin, seq, state, code, retryable, cause_origin, cause_seq, author_node,
        author_tier, author, tables, row_keys, row_count, byte_count, changes, held_at, changed_at)
      select d.tenant_id, $2::uuid, d.origin, d.seq, d.state, d.code, d.retryable, d.cause_origin, d.cause_seq, d.node_id,
        d.changes ->> 'tier', d.changes ->> 'author', array_to_string(d.tables, ','),
        (select coalesce(jsonb_agg(p.name), '[]'::jsonb) from (
          select s.table_name || ' ' || replace(s.row_key, E'\\x1f', ',') as name from hayloft.quarantine_place s
          where s.tenant_id = d.tenant_id and s.origin = d.origin and s.seq = d.seq and s.use in ('makes', 'changes')
          order by 1 limit 100) p),
        d.row_count, d.byte_count, case when d.byte_count <= $3 then d.changes -> 'changes' end, d.held_at, now()
      from due d
      on conflict (tenant_id, node_id, origin, seq) do update set state = excluded.state, code = excluded.code,
        retryable = excluded.retryable, cause_origin = excluded.cause_origin, cause_seq = excluded.cause_seq, changed_at = excluded.changed_at)
    update hayloft.quarantine q set reported = concat_ws(' ', d.state, d.code, d.cause_origin, d.cause_seq) from due d
    where q.tenant_id = d.tenant_id and q.origin = d.origin and q.seq = d.seq`,
    [tenant, env.nodeId, CHANGES_BYTES_MAX, REPORTS_MAX],
  );
  return affected;
}

/** What is to be done about what a tenant's quarantine holds. */
export interface HeldDue {
  /** Something may be released by itself. */
  readonly retryable: boolean;
  /** Something has changed since it was reported upward. */
  readonly unreported: boolean;
  /** An outcome is not told to its child yet. */
  readonly untold: boolean;
}

export async function dueOf(session: SqlSession, tenant: string): Promise<HeldDue> {
  const { rows } = await session.query<HeldDue>(
    `select
      exists (select from hayloft.quarantine where tenant_id = $1 and state = 'held' and retryable and peer is not null) as retryable,
      exists (select from hayloft.quarantine where tenant_id = $1 and peer is not null
        and reported is distinct from concat_ws(' ', state, code, cause_origin, cause_seq)) as unreported,
      exists (select from hayloft.outcome where tenant_id = $1 and peer is not null and told_position is null) as untold`,
    [tenant],
  );
  const [row] = rows;
  return row ?? { retryable: false, unreported: false, untold: false };
}
