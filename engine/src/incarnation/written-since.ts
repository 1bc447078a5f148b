import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { ChangeRow } from "../log/commit-row.ts";
import { liftRow } from "../log/unacknowledged.ts";
import { rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Rows of a table that were written here since this log began anew, or given back by a child that had more of the lost log than this
 * one: what this one has of them is older.
 */
export async function writtenSince(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, peer, position }: { readonly tenant: string; readonly peer: string; readonly position: number },
): Promise<ReadonlySet<string>> {
  const { rows } = await tx.query<ChangeRow & { readonly catalog_version: number }>(
    `select ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version
    from hayloft.head h join hayloft.commit c on c.tenant_id = h.tenant_id
      join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
    where h.tenant_id = $1 and ch.table_name = any($4::text[]) and ch.op <> 'evict'
      and c.position > (select min(r.our_position) from hayloft.recovery r where r.tenant_id = $1)
      and (c.origin = h.incarnation or exists (select from hayloft.recovery r
        where r.tenant_id = $1 and r.peer = c.via and r.peer <> $2::uuid and r.position > $3::bigint))`,
    [tenant, peer, position, env.lens.namesOf(plan.table.name)],
  );
  return new Set(
    rows.flatMap((row) => liftRow(env, row).flatMap((change) => (change.table === plan.table.name ? rowKeys(change, plan) : []))),
  );
}
