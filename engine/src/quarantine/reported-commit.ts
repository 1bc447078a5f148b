import type { Change, Commit } from "../commit/commit.ts";
import { firstPreviousHash } from "../commit/commit-hash.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { SqlSession } from "../store/database.ts";
import type { HeldCommit, HeldId, HeldState } from "./held-commit.ts";
import { ACTION_TABLE, REPORT_TABLE } from "./quarantine-tables.ts";

interface ReportRow {
  readonly node_id: string;
  readonly state: HeldState;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly held_at: Date;
  readonly author_node: string;
  readonly author_tier: string;
  readonly author: string | null;
  readonly cause_origin: string | null;
  readonly cause_seq: number | null;
  readonly tables: string;
  readonly row_count: number;
  readonly byte_count: number;
  readonly changes: readonly Change[] | null;
}

/**
 * A commit that a replica below holds, as it was reported; null when there is no report. Its state is that of the last action
 * from here, when that has not come back yet. A large commit is reported without its changes.
 */
export async function readReported(
  session: SqlSession,
  { tenant, origin, seq }: HeldId & { readonly tenant: string },
): Promise<(HeldCommit & { readonly complete: boolean }) | null> {
  const { rows } = await session.query<ReportRow>(
    `select r.node_id, case when r.state <> 'held' then r.state else coalesce((select a.action from ${ACTION_TABLE} a
        where a.tenant_id = r.tenant_id and a.origin = r.origin and a.seq = r.seq and a.action <> 'release' order by a.acted_at, a.id limit 1), r.state) end as state,
      r.code, r.retryable, r.held_at, r.author_node, r.author_tier, r.author, r.cause_origin, r.cause_seq, r.tables, r.row_count, r.byte_count, r.changes
    from ${REPORT_TABLE} r where r.tenant_id = $1 and r.origin = $2::uuid and r.seq = $3::bigint order by r.held_at desc limit 1`,
    [tenant, origin, seq],
  );
  const [row] = rows;
  if (row === undefined) return null;
  const { author_node: node, author_tier: tier, author } = row;
  const nothing = firstPreviousHash();
  const commit: Commit = {
    tenant,
    origin,
    seq,
    node,
    tier,
    author,
    stamp: 0n,
    catalogVersion: 0,
    previousHash: nothing,
    hash: nothing,
    changes: row.changes ?? [],
  };
  return {
    tenant,
    origin,
    seq,
    node,
    tier,
    author,
    commit,
    state: row.state,
    code: row.code,
    retryable: row.retryable,
    heldAt: row.held_at,
    closedAt: null,
    peer: row.node_id,
    cause: row.cause_origin === null || row.cause_seq === null ? null : { origin: row.cause_origin, seq: row.cause_seq },
    tables: row.tables.split(","),
    rows: row.row_count,
    bytes: row.byte_count,
    complete: row.changes !== null,
  };
}
