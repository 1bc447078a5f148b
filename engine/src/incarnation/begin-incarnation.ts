import { COPIES_APART, COPY_COUNTER_BITS } from "../clock/hybrid-clock.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Why a log begins a new life. `rewound`: the parent has commits of ours that we do not have. `diverged`: it has others under the same
 * names. `restored`: a child has proof of commits that this database does not have. `marker`: what is kept beside the database knows of more.
 */
export type IncarnationCause = "rewound" | "diverged" | "restored" | "marker";

/** Which part of a millisecond's counter is a copy's: any but the first, which is that of who knows of no copy, and its own so far. */
const anotherPart = `(1 + (stamp_salt / ${String(1n << COPY_COUNTER_BITS)} + floor(random() * ${String(COPIES_APART - 2)})::integer) % ${String(COPIES_APART - 1)})`;

/**
 * Begins a new incarnation of all logs of this database: it is another one than its peers know. Own commits that the parent has not
 * acknowledged go up again under new names, as another copy may have used theirs. Rows come from the parent anew. Children know
 * nothing of the new incarnation and take snapshots. Returns how many commits have new names.
 */
export async function beginIncarnations(
  tx: SqlSession,
  { cause, hasParent }: { readonly cause: IncarnationCause; readonly hasParent: boolean },
): Promise<number> {
  await lockParents(tx);
  const { rows } = await tx.query<{ tenant_id: string; incarnation: string }>(
    `select tenant_id, incarnation from hayloft.head order by tenant_id for update`,
  );
  let reissued = 0;
  for (const { tenant_id: tenant, incarnation } of rows)
    reissued += await beginIncarnation(tx, { tenant, incarnation, cause, hasParent });
  await tx.query(
    `update hayloft.replica set copy_id = case when $1::boolean then hayloft.uuid_v7() else copy_id end,
      stamp_salt = case when $1::boolean then ${anotherPart} * ${String(1n << COPY_COUNTER_BITS)} else stamp_salt end`,
    [hasParent],
  );
  return reissued;
}

/** Who applies what a parent sends locks the cursor, then rows, and the head last: whoever locks both takes them in this order. */
export async function lockParents(tx: SqlSession): Promise<void> {
  await tx.query(`select 1 from hayloft.peer where relation = 'parent' order by node_id, tenant_id for update`);
}

interface Ending {
  readonly tenant: string;
  readonly incarnation: string;
  readonly cause: IncarnationCause;
  readonly hasParent: boolean;
}

async function beginIncarnation(tx: SqlSession, { tenant, incarnation, cause, hasParent }: Ending): Promise<number> {
  const { rows } = await tx.query<{ position: number; seq: number }>(
    `select coalesce(p.position, 0) as position, case when $3::boolean then coalesce((
        select max(c.seq) from hayloft.commit c where c.tenant_id = $1 and c.origin = $2::uuid and c.position <= coalesce(p.position, 0)),
        (select min(c.seq) - 1 from hayloft.commit c where c.tenant_id = $1 and c.origin = $2::uuid), h.seq) else h.seq end as seq
    from hayloft.head h left join lateral (select max(acked_position) as position from hayloft.peer
      where tenant_id = $1 and relation = 'parent' and acked_incarnation = $2::uuid) p on true
    where h.tenant_id = $1`,
    [tenant, incarnation, hasParent],
  );
  const [known] = rows;
  const begun = await tx.query<{ reissued: number }>(`select hayloft.begin_incarnation($1, $2::bigint, $3) as reissued`, [
    tenant,
    known?.seq ?? 0,
    cause,
  ]);
  await tx.query(
    `update hayloft.peer p set acked_incarnation = case when p.acked_incarnation = $2::uuid then h.incarnation end,
      acked_position = case when p.acked_incarnation = $2::uuid then p.acked_position end,
      safe_incarnation = case when p.safe_incarnation = $2::uuid then h.incarnation end,
      received_incarnation = null, received_position = null, received_mark = null, snapshot_cursor = null, refill_due = false
    from hayloft.head h where h.tenant_id = $1 and p.tenant_id = $1 and p.relation = 'parent'`,
    [tenant, incarnation],
  );
  return begun.rows[0]?.reissued ?? 0;
}
