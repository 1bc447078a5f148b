import type { Outcome } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { DurabilityLevel } from "../protocol/frame.ts";
import type { SqlSession } from "../store/database.ts";

/** Whether a commit is somewhere, since when by the clock of this replica, and how durable there. Null: not known any more. */
export interface ReachedLevel {
  readonly reached: boolean;
  readonly at: Date | null;
  readonly level: DurabilityLevel | null;
}

/** How far a commit has come. */
export interface CommitReceipt {
  readonly tenant: string;
  readonly origin: string;
  readonly seq: number;
  /** In this database. */
  readonly device: ReachedLevel;
  /** Acknowledged by the parent. */
  readonly parent: ReachedLevel;
  /** At the replica without parent. */
  readonly top: ReachedLevel;
  /** Where the loss of the parent's whole site does not reach it, as the parent says. */
  readonly safe: ReachedLevel;
  readonly outcome: Outcome;
  /** Why it was refused; null otherwise. */
  readonly code: ErrorCode | null;
  /** When the outcome came, unless it is `applied`. */
  readonly outcomeAt: Date | null;
}

interface ReceiptRow {
  readonly tenant_id: string;
  readonly origin: string;
  readonly seq: number;
  readonly sealed_at: Date | null;
  readonly durability: DurabilityLevel | null;
  readonly here: boolean;
  readonly parent: boolean | null;
  readonly parent_at: Date | null;
  readonly parent_level: DurabilityLevel | null;
  readonly top: boolean | null;
  readonly top_at: Date | null;
  readonly safe: boolean | null;
  readonly safe_at: Date | null;
  readonly outcome: Outcome | null;
  readonly code: ErrorCode | null;
  readonly outcome_at: Date | null;
}

export type AskedCommit = Pick<CommitReceipt, "tenant" | "origin" | "seq">;

/**
 * The receipts of commits, our own or relayed ones, in the order asked. A commit that was pruned had been acknowledged before, and
 * tells no times. One that got another name, because this
 * database turned out to be a copy, is told under that. `device` is false for a commit that this replica does not know.
 */
export async function readReceipts(session: SqlSession, commits: readonly AskedCommit[]): Promise<readonly CommitReceipt[]> {
  if (commits.length === 0) return [];
  const { rows } = await session.query<ReceiptRow>(
    `select a.tenant_id, a.origin, a.seq, c.sealed_at, r.durability,
      coalesce(c.position is not null or h.seq >= a.seq or o.seq >= a.seq, false) as here,
      case when c.position is not null then k.acked_position >= c.position
        else coalesce(h.seq >= a.seq and h.pruned_position > 0 and k.acked_position is not null, false) end as parent,
      p.at as parent_at, p.level as parent_level, o.top_seq >= a.seq as top, t.at as top_at, s.outcome, s.code, s.at as outcome_at,
      w.safe_position >= c.position as safe, f.at as safe_at
    from (select q.tenant_id, coalesce(n.new_origin, q.origin) as origin, coalesce(n.new_seq, q.seq) as seq, q.place
      from unnest($1::text[], $2::uuid[], $3::bigint[]) with ordinality as q (tenant_id, origin, seq, place)
        left join hayloft.reissued n on n.tenant_id = q.tenant_id and n.origin = q.origin and n.seq = q.seq) as a
    cross join hayloft.replica r
    left join hayloft.commit c on c.tenant_id = a.tenant_id and c.origin = a.origin and c.seq = a.seq
    left join hayloft.head own on own.tenant_id = a.tenant_id
    left join hayloft.head h on h.tenant_id = a.tenant_id and h.incarnation = a.origin
    left join hayloft.origin o on o.tenant_id = a.tenant_id and o.incarnation = a.origin
    left join lateral (select max(acked_position) as acked_position from hayloft.peer
      where tenant_id = a.tenant_id and relation = 'parent' and acked_incarnation = own.incarnation) k on true
    left join lateral (select max(safe_position) as safe_position from hayloft.peer
      where tenant_id = a.tenant_id and relation = 'parent' and safe_incarnation = own.incarnation) w on true
    left join hayloft.outcome s on s.tenant_id = a.tenant_id and s.origin = a.origin and s.seq = a.seq
    left join lateral (select at, level from hayloft.progress where tenant_id = a.tenant_id and kind = 'parent' and origin = own.incarnation
      and up_to >= c.position order by up_to limit 1) p on true
    left join lateral (select at from hayloft.progress where tenant_id = a.tenant_id and kind = 'top' and origin = a.origin
      and up_to >= a.seq order by up_to limit 1) t on true
    left join lateral (select at from hayloft.progress where tenant_id = a.tenant_id and kind = 'safe' and origin = own.incarnation
      and up_to >= c.position order by up_to limit 1) f on true
    order by a.place`,
    [commits.map(({ tenant }) => tenant), commits.map(({ origin }) => origin), commits.map(({ seq }) => seq)],
  );
  return rows.map(receiptOf);
}

function receiptOf(row: ReceiptRow): CommitReceipt {
  const parent = row.parent === true;
  const top = row.top === true;
  const safe = row.safe === true;
  return {
    tenant: row.tenant_id,
    origin: row.origin,
    seq: row.seq,
    device: { reached: row.here, at: row.sealed_at, level: row.here ? row.durability : null },
    parent: { reached: parent, at: parent ? row.parent_at : null, level: parent ? row.parent_level : null },
    top: { reached: top, at: top ? row.top_at : null, level: null },
    safe: { reached: safe, at: safe ? row.safe_at : null, level: safe ? "D4" : null },
    outcome: row.outcome ?? "applied",
    code: row.code,
    outcomeAt: row.outcome_at,
  };
}

const UNKNOWN: ReachedLevel = { reached: false, at: null, level: null };

/** The receipt of one commit; see `readReceipts`. */
export async function readReceipt(session: SqlSession, tenant: string, origin: string, seq: number): Promise<CommitReceipt> {
  const [receipt] = await readReceipts(session, [{ tenant, origin, seq }]);
  return (
    receipt ?? {
      tenant,
      origin,
      seq,
      device: UNKNOWN,
      parent: UNKNOWN,
      top: UNKNOWN,
      safe: UNKNOWN,
      outcome: "applied",
      code: null,
      outcomeAt: null,
    }
  );
}
