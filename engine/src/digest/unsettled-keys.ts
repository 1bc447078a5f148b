import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { unacknowledgedKeys } from "../log/unacknowledged.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { heldKeys } from "./read-claims.ts";

/** Commits that the other side may be behind: with more on their way, rows are not compared. */
const COMMITS_BEHIND_MAX = 2_000;

/**
 * Tells which rows are settled between us and a peer that has our log up to a position: no commit behind it touches them, nor one that is
 * held. Null when so much is on its way that nothing is worth comparing.
 */
export async function unsettledKeys(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  peer: { readonly peer: string; readonly tenant: string; readonly position: number },
  keys: readonly string[],
): Promise<ReadonlySet<string> | null> {
  const { rows } = await tx.query<{ behind: number }>(
    `select greatest(h.position - $2::bigint, 0) as behind from hayloft.head h where h.tenant_id = $1`,
    [peer.tenant, peer.position],
  );
  if ((rows[0]?.behind ?? 0) > COMMITS_BEHIND_MAX) return null;
  const moving = await unacknowledgedKeys(tx, env, peer, plan);
  const held = await heldKeys(tx, plan, peer.tenant, keys);
  return new Set([...moving, ...held]);
}

/** How far we have applied a peer's log. */
export async function receivedPosition(session: SqlSession, peer: string, tenant: string): Promise<number> {
  const { rows } = await session.query<{ position: number | null }>(
    `select received_position as position from hayloft.peer where node_id = $1::uuid and tenant_id = $2`,
    [peer, tenant],
  );
  return rows[0]?.position ?? 0;
}
