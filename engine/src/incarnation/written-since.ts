import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { touchedRows, walkChanges } from "../log/walk-changes.ts";
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
  const where = `c.position > (select min(r.our_position) from hayloft.recovery r where r.tenant_id = $1)
    and (c.origin = (select h.incarnation from hayloft.head h where h.tenant_id = $1) or exists (select from hayloft.recovery r
      where r.tenant_id = $1 and r.peer = c.via and r.peer <> $5::uuid and r.position > $6::bigint))`;
  const walked = walkChanges(tx, env, tenant, plan, { where, parameters: [peer, position] });
  return new Set((await touchedRows(walked, plan)).keys());
}
