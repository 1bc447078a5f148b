import type { Database } from "@hayloft/engine";

export interface HubOverview {
  readonly database_version: string;
  readonly database_bytes: number;
  readonly tenants: number;
  readonly nodes: number;
  readonly revoked: number;
  readonly quarantined: number;
  readonly applied_commits: number;
  readonly refused_commits: number;
  /** Of the oldest transaction that is open or prepared at the server, as far as this role may see; 0 for none. */
  readonly oldest_transaction_seconds: number;
}

/** What the hub's database holds, in one query. */
export async function readOverview(database: Database): Promise<HubOverview> {
  const { rows } = await database.query<HubOverview>(
    `select current_setting('server_version') as database_version, pg_database_size(current_database()) as database_bytes,
       (select count(*) from tenants) as tenants,
       (select count(*) from replica_node where status = 'active') as nodes,
       (select count(*) from replica_node where status = 'revoked') as revoked,
       (select count(*) from hayloft.quarantined where state = 'held') as quarantined,
       (select coalesce(sum(seq), 0)::bigint from hayloft.origin o
         where not exists (select from hayloft.head h where h.tenant_id = o.tenant_id and h.incarnation = o.incarnation)) as applied_commits,
       (select count(*) from hayloft.outcome where outcome = 'refused') as refused_commits,
       (select coalesce(extract(epoch from clock_timestamp() - min(since)), 0)::float8 from (
         select min(xact_start) as since from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         union all select min(prepared) from pg_prepared_xacts where database = current_database()) as open_ones) as oldest_transaction_seconds`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error("a query of aggregates always has one row");
  return row;
}
