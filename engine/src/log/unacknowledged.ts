import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { isOfferedSql } from "../incarnation/offered-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { touchedRows, walkChanges } from "./walk-changes.ts";

/** How far the peer has acknowledged the tenant's log; 0 when it has not, or acknowledged another incarnation of it. */
export async function acknowledgedPosition(session: SqlSession, tenant: string, peer: string): Promise<number> {
  const { rows } = await session.query<{ position: number | null }>(acknowledgedSql("$1", "$2::uuid"), [tenant, peer]);
  return rows[0]?.position ?? 0;
}

/** The query of `acknowledgedPosition`, with the SQL of its tenant and its peer. */
export const acknowledgedSql = (tenant: string, peer: string): string =>
  `select p.acked_position as position from hayloft.peer p join hayloft.head h on h.tenant_id = p.tenant_id and h.incarnation = p.acked_incarnation
    where p.tenant_id = ${tenant} and p.node_id = ${peer}`;

/** Our log behind what a peer has acknowledged, but for what came from the peer; or the offers in it. */
export interface Unacknowledged {
  readonly tenant: string;
  readonly peer: string;
  readonly position: number;
  readonly only?: "offers";
}

/** Row keys of a table that commits behind a position changed, each with the position of the last one. Others than `keys` may be left out. */
export async function unacknowledgedRows(
  session: SqlSession,
  env: ReplicaEnvironment,
  { tenant, peer, position, only }: Unacknowledged,
  plan: RowPlan,
  keys?: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const where = `c.position > $5::bigint and c.via is distinct from $6::uuid${only === "offers" ? ` and ${isOfferedSql("ch")}` : ""}`;
  const filter = { where, parameters: [position, peer], ...(keys !== undefined && { keys }) };
  return await touchedRows(walkChanges(session, env, tenant, plan, filter), plan);
}

/** The keys of `unacknowledgedRows`. */
export const unacknowledgedKeys = async (
  session: SqlSession,
  env: ReplicaEnvironment,
  behind: Unacknowledged,
  plan: RowPlan,
): Promise<ReadonlySet<string>> => new Set((await unacknowledgedRows(session, env, behind, plan)).keys());
