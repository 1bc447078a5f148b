import { hex } from "../log/keep-foreign.ts";
import type { CommitId } from "../log/sealed-commit.ts";
import type { HistoryCheck } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Notes the lives of logs that this database knows nothing of, but commits of which the application remembers: the storage was taken away with what
 * had not been sent. The parent is asked how far it has them when a session begins, as for all earlier lives.
 */
export async function noteFormerLives(session: SqlSession, kept: readonly CommitId[]): Promise<void> {
  if (kept.length === 0) return;
  await session.query(
    `insert into hayloft.incarnation as i (tenant_id, incarnation, position, seq, hash, cause, reissued)
    select k.tenant_id, k.origin, 0, max(k.seq), decode(repeat('00', 32), 'hex'), 'forgotten', 0
    from unnest($1::text[], $2::uuid[], $3::bigint[]) as k (tenant_id, origin, seq)
    where not exists (select from hayloft.head h where h.tenant_id = k.tenant_id and h.incarnation = k.origin)
      and not exists (select from hayloft.reissued n where n.tenant_id = k.tenant_id and n.origin = k.origin)
    group by k.tenant_id, k.origin
    on conflict (tenant_id, incarnation) do update set seq = greatest(i.seq, excluded.seq) where i.cause = 'forgotten'`,
    [kept.map(({ tenant }) => tenant), kept.map(({ origin }) => origin), kept.map(({ seq }) => seq)],
  );
}

/** Takes in how far the parent has the lives that were noted: what it names is there, and of the others it has nothing. */
export async function settleFormerLives(tx: SqlSession, { tenant, chains }: HistoryCheck): Promise<void> {
  await tx.query(
    `insert into hayloft.origin as o (tenant_id, incarnation, node_id, seq, hash)
    select i.tenant_id, i.incarnation, r.node_id, coalesce(c.seq, 0), coalesce(c.hash, i.hash)
    from hayloft.incarnation i cross join hayloft.replica r
      left join unnest($2::uuid[], $3::bigint[], $4::bytea[]) as c (incarnation, seq, hash) on c.incarnation = i.incarnation
    where i.tenant_id = $1 and i.cause = 'forgotten'
    on conflict (tenant_id, incarnation) do update set seq = excluded.seq, hash = excluded.hash where o.seq < excluded.seq`,
    [tenant, chains.map(({ incarnation }) => incarnation), chains.map(({ seq }) => seq), chains.map(({ hash }) => hex(hash))],
  );
}

/** Of commits that the application remembers, those that are neither here nor at the parent; null while the parent has not been asked. */
export async function lostCommits(session: SqlSession, kept: readonly CommitId[]): Promise<readonly CommitId[] | null> {
  const { rows } = await session.query<CommitId & { readonly asked: boolean; readonly lost: boolean }>(
    `select k.tenant_id as tenant, k.origin, k.seq, i.incarnation is null or o.incarnation is not null as asked,
      i.incarnation is not null and coalesce(o.seq, 0) < k.seq as lost
    from unnest($1::text[], $2::uuid[], $3::bigint[]) with ordinality as k (tenant_id, origin, seq, place)
      left join hayloft.incarnation i on i.tenant_id = k.tenant_id and i.incarnation = k.origin and i.cause = 'forgotten'
      left join hayloft.origin o on o.tenant_id = k.tenant_id and o.incarnation = k.origin
    order by k.place`,
    [kept.map(({ tenant }) => tenant), kept.map(({ origin }) => origin), kept.map(({ seq }) => seq)],
  );
  if (rows.some(({ asked }) => !asked)) return null;
  return rows.flatMap(({ tenant, origin, seq, lost }) => (lost ? [{ tenant, origin, seq }] : []));
}
