import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { sameBytes } from "../commit/commit-hash.ts";
import { hashAt } from "../log/read-log.ts";
import type { Cursor, LogHead } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { beginIncarnations, lockParents } from "./begin-incarnation.ts";
import { readMark } from "./position-mark.ts";

/**
 * What a child has of our logs and we have lost; `ReplicaStorage.findLost` says what holds. A child is believed only by a mark that we
 * made ourselves: else any node could make its parent take its word for the rows of others.
 */
export async function findLost(
  database: Database,
  env: ReplicaEnvironment,
  peer: string,
  { received, heads }: { readonly received: readonly Cursor[]; readonly heads: readonly LogHead[] },
): Promise<readonly string[]> {
  const { markKey } = env;
  if (markKey === null) return [];
  const proven = received.flatMap((cursor) => {
    const hash = readMark(markKey, cursor);
    return hash === null ? [] : [{ cursor, hash }];
  });
  if (proven.length === 0) return [];
  return await database.transaction(async (tx) => {
    await lockParents(tx);
    const lost: Cursor[] = [];
    for (const { cursor, hash } of proven) if (await isLost(tx, cursor, hash)) lost.push(cursor);
    let begun = false;
    for (const cursor of lost) begun = await noteLost(tx, env, peer, cursor, begun);
    const good = heads.filter(({ tenant }) => proven.some(({ cursor }) => cursor.tenant === tenant && !lost.includes(cursor)));
    for (const head of good) await finishRecovery(tx, peer, head);
    return lost.map(({ tenant }) => tenant);
  });
}

/** True when the log was once where the child has it, and is not the same there now. */
async function isLost(tx: SqlSession, { tenant, incarnation, position }: Cursor, hash: Uint8Array): Promise<boolean> {
  const { rows } = await tx.query<{ end: number | null; pruned: number }>(
    `select case when h.incarnation = $2::uuid then h.position else (select i.position from hayloft.incarnation i
        where i.tenant_id = $1 and i.incarnation = $2::uuid) end as end, h.pruned_position as pruned
    from hayloft.head h where h.tenant_id = $1`,
    [tenant, incarnation],
  );
  const [log] = rows;
  if (log === undefined || log.end === null || position > log.end) return true;
  if (position <= log.pruned) return false;
  const here = await hashAt(tx, tenant, position);
  return here !== null && !sameBytes(here, hash);
}

/** The logs begin anew, all and once, and it is written down how far everybody's commits were known then. Returns whether they have, `begun` before this or now. */
async function noteLost(tx: SqlSession, env: ReplicaEnvironment, peer: string, cursor: Cursor, begun: boolean): Promise<boolean> {
  const { tenant, incarnation, position } = cursor;
  // Locked by a statement of its own: the next one sees what another child's session did while this one waited.
  await tx.query(`select 1 from hayloft.head where tenant_id = $1 for update`, [tenant]);
  const { rows } = await tx.query<{ is_present: boolean; position: number }>(
    `select position, incarnation = $2::uuid or not exists (select from hayloft.incarnation where tenant_id = $1 and incarnation = $2::uuid
        union all select from hayloft.recovery where tenant_id = $1 and incarnation = $2::uuid) as is_present
    from hayloft.head where tenant_id = $1`,
    [tenant, incarnation],
  );
  const [head] = rows;
  const begins = !begun && head?.is_present !== false;
  if (begins) await restoreLogs(tx, env.hasParent);
  await tx.query(
    `insert into hayloft.recovery (tenant_id, peer, incarnation, position, our_position) values ($1, $2::uuid, $3::uuid, $4::bigint, $5::bigint)
    on conflict (tenant_id, peer, incarnation) do update set position = greatest(recovery.position, excluded.position), finished_at = null`,
    [tenant, peer, incarnation, position, head?.position ?? 0],
  );
  return begun || begins;
}

/** A child that goes on with the log as it is now, and of whose own log everything is here, has offered all it had. */
async function finishRecovery(tx: SqlSession, peer: string, { tenant, incarnation, position }: LogHead): Promise<void> {
  await tx.query(
    `update hayloft.recovery r set finished_at = now() from hayloft.peer p
    where r.tenant_id = $1 and r.peer = $2::uuid and r.finished_at is null and p.tenant_id = $1 and p.node_id = $2::uuid
      and p.received_incarnation = $3::uuid and p.received_position >= $4::bigint`,
    [tenant, peer, incarnation, position],
  );
}

/** All logs of a database that was restored begin anew. */
export async function restoreLogs(tx: SqlSession, hasParent: boolean): Promise<void> {
  await tx.query(
    `insert into hayloft.restored_origin (tenant_id, incarnation, origin, node_id, seq)
    select o.tenant_id, h.incarnation, o.incarnation, o.node_id, o.seq from hayloft.origin o join hayloft.head h on h.tenant_id = o.tenant_id
    on conflict do nothing`,
  );
  await beginIncarnations(tx, { cause: "restored", hasParent });
}

/** Begins new incarnations of all logs, because the caller knows that this database was restored. Children show what they have more. */
export async function beginRecovery(database: Database, hasParent: boolean): Promise<void> {
  await database.transaction(async (tx) => await restoreLogs(tx, hasParent));
}
