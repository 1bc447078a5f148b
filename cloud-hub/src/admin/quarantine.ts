import type { Database } from "@hayloft/engine";

export interface QuarantinedCommit {
  readonly tenant: string;
  readonly origin: string;
  readonly seq: number;
  readonly code: string;
  readonly retryable: boolean;
  readonly held_at: Date;
  /** The node it came from. */
  readonly node: string | null;
  /** The tables it touched; never its values. */
  readonly tables: readonly string[];
}

const LIST_MAX = 1_000;

/** The refused commits of one tenant, or of all (null), newest first, 1,000 at most. Values are left out. */
export async function listQuarantined(database: Database, tenant: string | null): Promise<readonly QuarantinedCommit[]> {
  const { rows } = await database.query<QuarantinedCommit>(
    `select q.tenant_id as tenant, q.origin, q.seq, q.code, q.retryable, q.held_at, q.peer as node,
       array(select distinct item ->> 'table' from jsonb_array_elements(case jsonb_typeof(q.changes) when 'array' then q.changes else '[]' end) as item
         where item ->> 'table' is not null order by 1) as tables
     from hayloft.quarantine q where $1::text is null or q.tenant_id = $1
     order by q.held_at desc, q.tenant_id, q.origin, q.seq limit ${LIST_MAX}`,
    [tenant],
  );
  return rows;
}
