import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";

/** `held` waits for something or for somebody; the others are how it ended, and stay listed until they are pruned. */
export type HeldState = "held" | "applied" | "merged" | "resent" | "discarded";

/** A commit by its name. */
export interface HeldId {
  readonly origin: string;
  readonly seq: number;
}

/** What is known of a commit set aside without its changes. */
export interface HeldHeader extends HeldId {
  readonly tenant: string;
  readonly state: HeldState;
  readonly code: ErrorCode;
  /** True while it is judged again by itself when its cause is gone. */
  readonly retryable: boolean;
  readonly heldAt: Date;
  /** Null while it is held. */
  readonly closedAt: Date | null;
  /** The node through which it came; null when it is our own, which the parent refused. */
  readonly peer: string | null;
  /** The author's node, tier and person. */
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  /** The held commit that it builds on; null when it is held for a reason of its own, or the cause is another node's. */
  readonly cause: HeldId | null;
  readonly tables: readonly string[];
  readonly rows: number;
  readonly bytes: number;
}

/** A commit set aside, with its changes. */
export interface HeldCommit extends HeldHeader {
  readonly commit: Commit;
}

interface HeaderRow {
  readonly tenant_id: string;
  readonly origin: string;
  readonly seq: number;
  readonly state: HeldState;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly held_at: Date;
  readonly closed_at: Date | null;
  readonly peer: string | null;
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  readonly cause_origin: string | null;
  readonly cause_seq: number | null;
  readonly tables: readonly string[];
  readonly row_count: number;
  readonly byte_count: number;
}

/** How a commit is kept as JSON. */
export interface StoredCommit {
  readonly stamp: string;
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  readonly catalogVersion: number;
  readonly previousHash: string;
  readonly hash: string;
  readonly changes: readonly Change[];
}

export interface HeldRow extends HeaderRow {
  readonly stored: StoredCommit;
}

const HEADER_COLUMNS = `tenant_id, origin, seq, state, code, retryable, held_at, closed_at, peer, changes ->> 'node' as node,
  changes ->> 'tier' as tier, changes ->> 'author' as author, cause_origin, cause_seq, tables, row_count, byte_count`;
export const HELD_COLUMNS = `${HEADER_COLUMNS}, changes as stored`;

const fromHex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

function headerOfRow(row: HeaderRow): HeldHeader {
  const { cause_origin: origin, cause_seq: seq } = row;
  return {
    tenant: row.tenant_id,
    origin: row.origin,
    seq: row.seq,
    state: row.state,
    code: row.code,
    retryable: row.retryable,
    heldAt: row.held_at,
    closedAt: row.closed_at,
    peer: row.peer,
    node: row.node,
    tier: row.tier,
    author: row.author,
    cause: origin === null || seq === null ? null : { origin, seq },
    tables: row.tables,
    rows: row.row_count,
    bytes: row.byte_count,
  };
}

export function heldOfRow(row: HeldRow): HeldCommit {
  const { stamp, previousHash, hash, ...rest } = row.stored;
  const { tenant_id: tenant, origin, seq } = row;
  const commit: Commit = {
    tenant,
    origin,
    seq,
    ...rest,
    stamp: BigInt(stamp),
    previousHash: fromHex(previousHash),
    hash: fromHex(hash),
  };
  return { ...headerOfRow(row), commit };
}

/** Which commits to list. `tenant` null: of all tenants. Without `state` those that are held. */
export interface QuarantineFilter {
  readonly tenant: string | null;
  readonly state?: HeldState | "any";
  readonly code?: ErrorCode;
  readonly retryable?: boolean;
  readonly origin?: string;
  /** The author's node. */
  readonly node?: string;
  readonly table?: string;
  /** Own commits that the parent refused (true), or what is held for others (false). */
  readonly own?: boolean;
  /** Goes on after this one, in the order of the list. */
  readonly after?: HeldId & { readonly tenant: string };
  /** At most so many; default 1,000, null: all. */
  readonly limit?: number | null;
}

const LIST_DEFAULT = 1_000;

function filterSql(filter: QuarantineFilter): { readonly where: string; readonly parameters: readonly SqlParameter[] } {
  const parameters: SqlParameter[] = [];
  const tests: string[] = [];
  const add = (sql: (place: string) => string, value: SqlParameter): void => {
    parameters.push(value);
    tests.push(sql(`$${String(parameters.length)}`));
  };
  if (filter.tenant !== null) add((place) => `tenant_id = ${place}`, filter.tenant);
  if (filter.state !== "any") add((place) => `state = ${place}`, filter.state ?? "held");
  if (filter.code !== undefined) add((place) => `code = ${place}`, filter.code);
  if (filter.retryable !== undefined) add((place) => `retryable = ${place}::boolean`, filter.retryable);
  if (filter.origin !== undefined) add((place) => `origin = ${place}::uuid`, filter.origin);
  if (filter.node !== undefined) add((place) => `node_id = ${place}::uuid`, filter.node);
  if (filter.table !== undefined) add((place) => `${place} = any(tables)`, filter.table);
  if (filter.own !== undefined) tests.push(filter.own ? "peer is null" : "peer is not null");
  if (filter.after !== undefined) {
    const { tenant, origin, seq } = filter.after;
    parameters.push(tenant, origin, seq);
    const at = parameters.length;
    tests.push(`(tenant_id, origin, seq) > ($${String(at - 2)}, $${String(at - 1)}::uuid, $${String(at)}::bigint)`);
  }
  return { where: tests.length === 0 ? "" : `where ${tests.join(" and ")}`, parameters };
}

/** Commits set aside, without their changes, in the order of tenants, origins and seqs. */
export async function listHeaders(session: SqlSession, filter: QuarantineFilter): Promise<readonly HeldHeader[]> {
  const { where, parameters } = filterSql(filter);
  const limit = filter.limit === undefined ? LIST_DEFAULT : filter.limit;
  const { rows } = await session.query<HeaderRow>(
    `select ${HEADER_COLUMNS} from hayloft.quarantine ${where} order by tenant_id, origin, seq ${limit === null ? "" : `limit ${String(Math.trunc(limit))}`}`,
    parameters,
  );
  return rows.map(headerOfRow);
}

/** Held commits of a tenant with their changes, in the order in which their origins wrote them; 1,000 unless told, all with `null`. */
export async function listQuarantine(
  session: SqlSession,
  tenant: string,
  filter: Omit<QuarantineFilter, "tenant"> = {},
): Promise<readonly HeldCommit[]> {
  const { where, parameters } = filterSql({ ...filter, tenant });
  const limit = filter.limit === undefined ? LIST_DEFAULT : filter.limit;
  const { rows } = await session.query<HeldRow>(
    `select ${HELD_COLUMNS} from hayloft.quarantine ${where} order by tenant_id, origin, seq ${limit === null ? "" : `limit ${String(Math.trunc(limit))}`}`,
    parameters,
  );
  return rows.map(heldOfRow);
}

/** How many commits are held, per tenant and code, and since when the oldest of them. */
export interface HeldCount {
  readonly tenant: string;
  readonly code: ErrorCode;
  readonly count: number;
  readonly bytes: number;
  readonly oldest: Date;
}

export async function countHeld(session: SqlSession, tenant: string | null = null): Promise<readonly HeldCount[]> {
  const { rows } = await session.query<HeldCount>(
    `select tenant_id as tenant, code, count(*)::int8 as count, sum(byte_count)::int8 as bytes, min(held_at) as oldest
    from hayloft.quarantine where state = 'held' and ($1::text is null or tenant_id = $1) group by tenant_id, code order by tenant_id, code`,
    [tenant],
  );
  return rows;
}

/** One commit set aside, in whatever state, or null. */
export async function readHeld(
  session: SqlSession,
  tenant: string,
  origin: string,
  seq: number,
  lock = false,
): Promise<HeldCommit | null> {
  const { rows } = await session.query<HeldRow>(
    `select ${HELD_COLUMNS} from hayloft.quarantine where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint${lock ? " for update" : ""}`,
    [tenant, origin, seq],
  );
  const [row] = rows;
  return row === undefined ? null : heldOfRow(row);
}
