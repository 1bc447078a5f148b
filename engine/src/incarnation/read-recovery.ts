import type { SqlSession } from "../store/database.ts";

/** What became of a database that was restored. Times are by its own clock. */
export interface RecoveryReport {
  /** Logs that began anew because of it, the latest first. */
  readonly logs: readonly RestoredLog[];
  /** What children proved that they had more, and what they gave back. */
  readonly children: readonly RecoveringChild[];
  /** Commits that their authors sent again, or have written since; per node. */
  readonly sent: readonly { readonly tenant: string; readonly node: string | null; readonly commits: number }[];
  /** Commits that are gone for certain: their authors hold them no more. Rows of them may have come back with what children offered. */
  readonly gone: readonly LostCommits[];
  /** Children that were not here since: they may hold more. */
  readonly awaited: readonly { readonly tenant: string; readonly node: string; readonly lastContactAt: Date | null }[];
}

export interface RestoredLog {
  readonly tenant: string;
  readonly incarnation: string;
  /** Where the log ended when it began anew. */
  readonly position: number;
  readonly at: Date;
}

export interface RecoveringChild {
  readonly tenant: string;
  readonly node: string;
  /** How far the child had the lost log, and how far it went here. */
  readonly had: number;
  readonly here: number;
  readonly rowsOffered: number;
  /** Of these, rows that were not here or older here. */
  readonly rowsRestored: number;
  readonly noticedAt: Date;
  /** Null while it may offer more. */
  readonly finishedAt: Date | null;
}

export interface LostCommits {
  readonly tenant: string;
  readonly node: string;
  readonly origin: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** Reads what is known of restores of this database. Without any, all lists are empty. */
export async function readRecovery(session: SqlSession): Promise<RecoveryReport> {
  const logs = await session.query<RestoredLog>(
    `select tenant_id as tenant, incarnation, position, ended_at as at from hayloft.incarnation where cause = 'restored' order by ended_at desc, tenant_id`,
  );
  const children = await session.query<RecoveringChild>(
    `select r.tenant_id as tenant, coalesce(p.of_node, r.peer) as node, r.position as had, r.our_position as here, r.rows_offered as "rowsOffered",
      r.rows_restored as "rowsRestored", r.noticed_at as "noticedAt", r.finished_at as "finishedAt"
    from hayloft.recovery r left join hayloft.peer p on p.tenant_id = r.tenant_id and p.node_id = r.peer order by r.noticed_at, r.tenant_id, r.peer`,
  );
  const sent = await session.query<RecoveryReport["sent"][number]>(
    `select o.tenant_id as tenant, o.node_id as node, sum(o.seq - coalesce(b.seq, 0))::int8 as commits
    from hayloft.origin o join (select distinct on (tenant_id) tenant_id, incarnation from hayloft.incarnation where cause = 'restored'
        order by tenant_id, ended_at desc) l on l.tenant_id = o.tenant_id
      left join hayloft.restored_origin b on b.tenant_id = o.tenant_id and b.incarnation = l.incarnation and b.origin = o.incarnation
    where o.seq > coalesce(b.seq, 0) and o.node_id <> (select node_id from hayloft.replica)
    group by o.tenant_id, o.node_id order by o.tenant_id, o.node_id`,
  );
  const gone = await session.query<LostCommits>(
    `select tenant_id as tenant, node_id as node, origin, from_seq as "fromSeq", to_seq as "toSeq" from hayloft.gap order by tenant_id, origin, from_seq`,
  );
  const awaited = await session.query<RecoveryReport["awaited"][number]>(
    // One session carries the logs of two tenants, of which the shared one may be silent for weeks: who was here was here for both.
    `select p.tenant_id as tenant, n.node, n.at as "lastContactAt" from hayloft.peer p
      join (select coalesce(of_node, node_id) as node, max(last_contact_at) as at from hayloft.peer where relation = 'child' group by 1) n
        on n.node = coalesce(p.of_node, p.node_id)
    where p.relation = 'child' and coalesce(n.at, '-infinity')
      < (select max(ended_at) from hayloft.incarnation i where i.tenant_id = p.tenant_id and i.cause = 'restored')
    group by 1, 2, 3 order by 1, 2`,
  );
  return { logs: logs.rows, children: children.rows, sent: sent.rows, gone: gone.rows, awaited: awaited.rows };
}
