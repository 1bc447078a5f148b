import type { Outcome } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { SqlSession } from "../store/database.ts";

/** How far a commit has come. Times are null when they are not known any more. */
export interface CommitReceipt {
  /** In this database. */
  readonly here: { readonly reached: boolean; readonly at: Date | null };
  /** Acknowledged by the parent. */
  readonly parent: { readonly reached: boolean; readonly at: Date | null };
  /** At the replica without parent. */
  readonly top: { readonly reached: boolean; readonly at: Date | null };
  readonly outcome: Outcome;
  /** Why it was refused; null otherwise. */
  readonly code: ErrorCode | null;
}

interface ReceiptRow {
  readonly sealed_at: Date | null;
  readonly here: boolean;
  readonly parent: boolean | null;
  readonly acked_at: Date | null;
  readonly top: boolean | null;
  readonly outcome: Outcome | null;
  readonly code: ErrorCode | null;
}

/**
 * The receipt of a commit, our own or a relayed one. A commit that was pruned had been acknowledged before. `here` is false for
 * a commit that this replica does not know.
 */
export async function readReceipt(session: SqlSession, tenant: string, origin: string, seq: number): Promise<CommitReceipt> {
  const { rows } = await session.query<ReceiptRow>(
    `select c.sealed_at, coalesce(c.position is not null or h.seq >= $3::bigint or o.seq >= $3::bigint, false) as here,
      case when c.position is not null then p.acked_position >= c.position
        else coalesce(h.seq >= $3::bigint and h.pruned_position > 0 and p.acked_position is not null, false) end as parent,
      p.acked_at, o.top_seq >= $3::bigint as top, r.outcome, r.code
    from (select 1) as one
    left join hayloft.commit c on c.tenant_id = $1 and c.origin = $2::uuid and c.seq = $3::bigint
    left join hayloft.head h on h.tenant_id = $1 and h.incarnation = $2::uuid
    left join hayloft.origin o on o.tenant_id = $1 and o.incarnation = $2::uuid
    left join hayloft.peer p on p.tenant_id = $1 and p.relation = 'parent'
      and p.acked_incarnation = (select incarnation from hayloft.head where tenant_id = $1)
    left join hayloft.outcome r on r.tenant_id = $1 and r.origin = $2::uuid and r.seq = $3::bigint
    order by p.acked_position desc nulls last limit 1`,
    [tenant, origin, seq],
  );
  const [row] = rows;
  const atParent = row?.parent === true;
  const atTop = row?.top === true;
  return {
    here: { reached: row?.here === true, at: row?.sealed_at ?? null },
    parent: { reached: atParent, at: atParent ? (row.acked_at ?? null) : null },
    top: { reached: atTop, at: atTop ? (row.acked_at ?? null) : null },
    outcome: row?.outcome ?? "applied",
    code: row?.code ?? null,
  };
}
