import type { CellEdit, Database, HeldCount, HeldId, Quarantine, ReleaseResult } from "@hayloft/engine";
import { editCells, HayloftError, SqlReplicaStorage } from "@hayloft/engine";
import { auditQuarantine, farmCatalog } from "@hayloft/schema";

/** A refused commit as the hub sees it, held here or reported by the node that holds it. Never with its values. */
export interface QuarantinedCommit {
  readonly tenant: string;
  readonly origin: string;
  readonly seq: number;
  readonly state: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly held_since: Date;
  /** Where it is held: the hub, or the node that reported it. */
  readonly held_at_node: string;
  readonly author_node: string | null;
  readonly author: string | null;
  /** The held commit that it builds on, as `origin seq`. */
  readonly cause: string | null;
  readonly tables: string;
  readonly row_keys: readonly string[];
}

export interface QuarantineQuery {
  readonly tenant?: string;
  readonly state?: string;
  readonly code?: string;
  readonly table?: string;
  readonly node?: string;
}

const LIST_MAX = 1_000;
const HEADER = `q.tenant_id as tenant, q.origin, q.seq, q.state, q.code, q.retryable, q.held_since, q.held_at_node, q.author_node, q.author,
  q.cause_origin::text || ' ' || q.cause_seq::text as cause, q.tables, q.row_keys`;

/** The refused commits of one tenant, or of all, newest first, 1,000 at most. Values are left out. */
export async function listQuarantined(database: Database, query: QuarantineQuery): Promise<readonly QuarantinedCommit[]> {
  const { rows } = await database.query<QuarantinedCommit>(
    `select ${HEADER} from hayloft.quarantined q where ($1::text is null or q.tenant_id = $1) and ($2::text = 'any' or q.state = $2)
       and ($3::text is null or q.code = $3) and ($4::text is null or $4 = any(string_to_array(q.tables, ',')))
       and ($5::text is null or q.author_node::text = $5 or q.held_at_node::text = $5)
     order by q.held_since desc, q.tenant_id, q.origin, q.seq limit ${String(LIST_MAX)}`,
    [query.tenant ?? null, query.state ?? "held", query.code ?? null, query.table ?? null, query.node ?? null],
  );
  return rows;
}

/** One refused commit with what it would change. Throws `not-found`. */
export async function showQuarantined(
  database: Database,
  { origin, seq }: HeldId,
): Promise<QuarantinedCommit & { readonly changes: unknown }> {
  const { rows } = await database.query<QuarantinedCommit & { readonly changes: unknown }>(
    `select ${HEADER}, q.changes from hayloft.quarantined q where q.origin = $1::uuid and q.seq = $2::bigint limit 1`,
    [origin, seq],
  );
  const [row] = rows;
  if (row === undefined) throw new HayloftError("not-found", { what: "held commit", origin, seq });
  return row;
}

/** How many commits are held at the hub and, as reported, below, by tenant and code. */
export async function countQuarantined(database: Database): Promise<readonly HeldCount[]> {
  const { rows } = await database.query<HeldCount>(
    `select tenant_id as tenant, code, count(*)::int8 as count, sum(byte_count)::int8 as bytes, min(held_since) as oldest
     from hayloft.quarantined where state = 'held' group by tenant_id, code order by tenant_id, code`,
  );
  return rows;
}

/** What a person does with a refused commit at the hub. The running service tells the nodes. */
export interface QuarantineDesk {
  resend(id: HeldId, options: { readonly edits: readonly CellEdit[]; readonly person: string }): Promise<HeldId>;
  discard(id: HeldId, options: { readonly reason: string; readonly person: string }): Promise<void>;
  release(id: HeldId, person: string): Promise<ReleaseResult>;
}

export async function openQuarantineDesk(database: Database): Promise<QuarantineDesk> {
  const { rows } = await database.query<{ node: string; tier: string }>("select node_id as node, tier from hayloft.replica");
  const [{ node, tier } = { node: "", tier: "" }] = rows;
  const { quarantine } = new SqlReplicaStorage({
    database,
    catalog: farmCatalog,
    nodeId: node,
    tier,
    hasParent: false,
    onQuarantineAction: auditQuarantine,
  });
  const named = async (id: HeldId): Promise<Parameters<Quarantine["read"]>[0]> => ({
    ...id,
    tenant: (await showQuarantined(database, id)).tenant,
  });
  return {
    resend: async (id, { edits, person }) =>
      await quarantine.resend(await named(id), { person, edit: (changes) => editCells(changes, edits) }),
    discard: async (id, options) => await quarantine.discard(await named(id), options),
    release: async (id, person) => await quarantine.release(await named(id), { person }),
  };
}
