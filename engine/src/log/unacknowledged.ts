import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { isOfferedSql } from "../incarnation/offered-change.ts";
import { liftStored } from "../apply/lift-commits.ts";
import { rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Change } from "../commit/commit.ts";
import type { SqlSession } from "../store/database.ts";
import { changeOfRow, type ChangeRow } from "./commit-row.ts";

/** How far the peer has acknowledged the tenant's log; 0 when it has not, or acknowledged another incarnation of it. */
export async function acknowledgedPosition(session: SqlSession, tenant: string, peer: string): Promise<number> {
  const { rows } = await session.query<{ position: number | null }>(acknowledgedSql("$1", "$2::uuid"), [tenant, peer]);
  return rows[0]?.position ?? 0;
}

/** The query of `acknowledgedPosition`, with the SQL of its tenant and its peer. */
export const acknowledgedSql = (tenant: string, peer: string): string =>
  `select p.acked_position as position from hayloft.peer p join hayloft.head h on h.tenant_id = p.tenant_id and h.incarnation = p.acked_incarnation
    where p.tenant_id = ${tenant} and p.node_id = ${peer}`;

/** A change of the log as the present catalog has it. */
export const liftRow = (env: ReplicaEnvironment, row: ChangeRow & { readonly catalog_version: number }): readonly Change[] =>
  liftStored(env.lens, row.catalog_version, [changeOfRow(row)]);

/** Row keys of a table that commits behind a position changed, other than commits that came from the peer; or the offered ones of them. */
export async function unacknowledgedKeys(
  session: SqlSession,
  env: ReplicaEnvironment,
  {
    tenant,
    peer,
    position,
    only,
  }: { readonly tenant: string; readonly peer: string; readonly position: number; readonly only?: "offers" },
  plan: RowPlan,
): Promise<ReadonlySet<string>> {
  const { rows } = await session.query<ChangeRow & { readonly catalog_version: number }>(
    `select ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version
    from hayloft.commit c join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
    where c.tenant_id = $1 and c.position > $2 and c.via is distinct from $3::uuid and ch.table_name = any($4::text[]) and ch.op <> 'evict'
      ${only === "offers" ? `and ${isOfferedSql("ch")}` : ""}`,
    [tenant, position, peer, env.lens.namesOf(plan.table.name)],
  );
  return new Set(
    rows.flatMap((row) => liftRow(env, row).flatMap((change) => (change.table === plan.table.name ? rowKeys(change, plan) : []))),
  );
}
