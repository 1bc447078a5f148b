import type { ChainPoint, EndedLife, LogHorizon, LogLife } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

/** Of each of a node's logs, how far its own commits are applied here. Logs of which none is are left out. */
export async function chainPoints(session: SqlSession, node: string, logs: readonly LogLife[]): Promise<readonly ChainPoint[]> {
  if (logs.length === 0) return [];
  const { rows } = await session.query<ChainPoint>(
    `select o.tenant_id as tenant, o.incarnation, o.seq, o.hash from hayloft.origin o
    join unnest($1::text[], $2::uuid[]) as asked (tenant_id, incarnation) on asked.tenant_id = o.tenant_id and asked.incarnation = o.incarnation
    where o.seq > 0 and o.node_id = $3::uuid order by o.tenant_id`,
    [logs.map(({ tenant }) => tenant), logs.map(({ incarnation }) => incarnation), node],
  );
  return rows;
}

/** What our logs of these tenants hold no more. */
export async function logHorizons(session: SqlSession, tenants: readonly string[]): Promise<readonly LogHorizon[]> {
  const { rows } = await session.query<LogHorizon>(
    `select h.tenant_id as tenant, h.incarnation, h.pruned_position as position, coalesce(first.seq - 1, h.seq) as seq,
      coalesce(first.previous_hash, h.hash) as hash
    from hayloft.head h left join lateral (
      select c.seq, c.previous_hash from hayloft.commit c where c.tenant_id = h.tenant_id and c.origin = h.incarnation order by c.seq limit 1) first on true
    where h.tenant_id = any($1::text[]) and h.pruned_position > 0 order by h.tenant_id`,
    [tenants],
  );
  return rows;
}

/** Lives of one log that are told; who was set back so often was so before all of them. */
export const LIVES_MAX = 8;

/** The latest lives of our logs of these tenants that have ended. */
export async function logLives(session: SqlSession, tenants: readonly string[]): Promise<readonly EndedLife[]> {
  const { rows } = await session.query<EndedLife>(
    `select tenant, incarnation, position from (
      select tenant_id as tenant, incarnation, position, row_number() over (partition by tenant_id order by ended_at desc) as place
      from hayloft.incarnation where tenant_id = any($1::text[])) lives
    where place <= $2 order by tenant, place`,
    [tenants, LIVES_MAX],
  );
  return rows;
}
