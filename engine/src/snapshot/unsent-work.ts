import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { isOfferedSql } from "../incarnation/offered-change.ts";
import { unacknowledgedKeys } from "../log/unacknowledged.ts";
import type { Stamp } from "../merge/register.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";

const nothing: ReadonlySet<string> = new Set();

/**
 * What the peer did not have when it read the pages: the rows of one table that it touched, those of them that are offers, and whether it
 * wrote a value.
 */
export interface Unsent {
  readonly keys: ReadonlySet<string>;
  readonly offered: ReadonlySet<string>;
  readonly wrote: (written: Stamp) => boolean;
}

export const nothingUnsent: Unsent = { keys: nothing, offered: nothing, wrote: () => false };

/** What of ours, in one table, lies behind a position of our log and did not come from the peer. `offers`: which of it are offers matters. */
export async function unsentWork(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  behind: { readonly tenant: string; readonly peer: string; readonly position: number },
  offers: boolean,
): Promise<Unsent> {
  const keys = await unacknowledgedKeys(tx, env, behind, plan);
  if (keys.size === 0) return nothingUnsent;
  const offered = offers ? await unacknowledgedKeys(tx, env, { ...behind, only: "offers" }, plan) : nothing;
  return { keys, offered, wrote: await unsentWrites(tx, behind.tenant, behind.peer, behind.position) };
}

async function unsentWrites(
  tx: SqlSession,
  tenant: string,
  peer: string,
  position: number,
): Promise<(written: Stamp) => boolean> {
  const { rows } = await tx.query<{ name: string }>(
    `select distinct c.stamp::text || ' ' || c.node_id::text as name from hayloft.commit c
    where c.tenant_id = $1 and c.position > $2 and c.via is distinct from $3::uuid
      and not exists (select from hayloft.change ch where ch.tenant_id = c.tenant_id and ch.txn = c.txn and ${isOfferedSql("ch")})`,
    [tenant, position, peer],
  );
  const names = new Set(rows.map(({ name }) => name));
  return ({ stamp, node }) => names.has(`${String(stamp)} ${node}`);
}
