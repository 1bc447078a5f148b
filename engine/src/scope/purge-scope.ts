import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { rowKeyOf, type TextRow } from "../apply/table-sql.ts";
import { restrictedScopes } from "../log/filter-commit.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { type Released, releaseHeld } from "../quarantine/release-held.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import { deleteReferring, deleteRows, referredKeys, unsentKeys } from "./evict-dependents.ts";
import { noteEviction } from "./eviction-receipt.ts";
import { readGrantText } from "./grant-text.ts";
import { scopeSql } from "./visible-sql.ts";

/**
 * Finishes what had to wait until the parent had our work: evictions that are held, and rows outside of the grant. Called
 * when the parent has acknowledged more and `purge_due` says that something is left; clears it when nothing is.
 */
export async function purgeDue(tx: SqlSession, env: ReplicaEnvironment, peer: string, tenant: string): Promise<void> {
  for (let after: string | null = null, again = true; again; again = after !== null) {
    const released: Released = await releaseHeld(tx, env, tenant, after);
    after = released.next;
  }
  const left = await purgeScope(tx, env, peer, tenant);
  const held = await tx.query(
    `select 1 from hayloft.quarantine where tenant_id = $1 and retryable and changes -> 'changes' @> '[{"op": "evict"}]' limit 1`,
    [tenant],
  );
  if (left > 0 || held.rows.length > 0) return;
  await tx.query(`update hayloft.peer set purge_due = false where node_id = $1::uuid and tenant_id = $2`, [peer, tenant]);
}

/**
 * Deletes the rows that the parent's grant no longer covers, those that refer before those that are referred to. What we changed
 * and the parent has not acknowledged stays. Returns how many rows had to stay.
 */
export async function purgeScope(tx: SqlSession, env: ReplicaEnvironment, peer: string, tenant: string): Promise<number> {
  const { rows } = await tx.query<{ granted: string | null }>(
    `select granted from hayloft.peer where node_id = $1::uuid and tenant_id = $2`,
    [peer, tenant],
  );
  const granted = rows[0]?.granted ?? null;
  if (granted === null) return 0;
  const grant = readGrantText(granted);
  let left = 0;
  for (const name of env.writeOrder.toReversed()) {
    const plan = env.plans.get(name);
    if (plan !== undefined && restrictedScopes(plan, grant).length > 0) left += await purgeTable(tx, env, plan, grant);
  }
  return left;
}

async function purgeTable(tx: SqlSession, env: ReplicaEnvironment, plan: RowPlan, grant: Grant): Promise<number> {
  const { tenant } = grant;
  const parameters: SqlParameter[] = [tenant];
  const list = plan.table.primaryKey.map((column) => `t.${sqlName(column)}::text as ${sqlName(column)}`).join(", ");
  const scope = scopeSql(plan, "t", grant, parameters);
  const { rows } = await tx.query<TextRow>(
    `select ${list} from ${sqlName(plan.table.name)} as t where t.${sqlName(plan.tenantColumn)} = $1 and not (true${scope})`,
    parameters,
  );
  if (rows.length === 0) return 0;
  const own = await unsentKeys(tx, env, tenant, plan);
  const gone = rows.map((row) => rowKeyOf(plan, row)).filter((key) => !own.has(key));
  await deleteReferring(tx, env, tenant, new Map([[plan, gone]]), "grant");
  const kept = await referredKeys(tx, env, tenant, plan, gone);
  const free = gone.filter((key) => !kept.has(key));
  await deleteRows(tx, plan, tenant, free);
  await noteEviction(tx, { tenant, cause: "grant", table: plan.table.name, count: free.length, keys: free });
  return rows.length - free.length;
}
