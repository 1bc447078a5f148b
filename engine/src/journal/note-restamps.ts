import type { Sha256 } from "../commit/sha256.ts";
import type { SqlSession } from "../store/database.ts";
import { eventId } from "./loss-id.ts";

/** A commit of ours that got another stamp before anybody had taken it. */
export interface RestampedCommit {
  readonly origin: string;
  readonly seq: number;
  readonly node: string;
  readonly tier: string;
  readonly author: string | null;
  readonly from: bigint;
  readonly to: bigint;
  /** Rows that the commit changed. */
  readonly rowCount: number;
}

/**
 * Notes re-stamped commits in the journal, one entry each, in the caller's transaction. A commit that is stamped anew a second
 * time gets a second entry; the same call again changes nothing.
 */
export async function noteRestamps(
  tx: SqlSession,
  sha256: Sha256,
  tenant: string,
  commits: readonly RestampedCommit[],
): Promise<void> {
  if (commits.length === 0) return;
  await tx.query(
    `insert into hayloft.loss (tenant_id, id, table_name, row_key, column_name, rule, lost, loser_value, loser_stamp, loser_node,
      loser_tier, loser_author, loser_origin, loser_seq, winner_value, winner_stamp, winner_node, winner_tier, winner_author,
      winner_origin, winner_seq, row_count)
    select $1, n.id, '', '', '$stamp', 'restamp', 'existing', n.old::text, n.old, n.node, n.tier, n.author, n.origin, n.seq,
      n.new::text, n.new, n.node, n.tier, n.author, n.origin, n.seq, n.row_count
    from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::bigint[], $10::bigint[])
      as n (id, old, new, node, tier, author, origin, seq, row_count)
    on conflict (tenant_id, id) do nothing`,
    [
      tenant,
      commits.map((item) => eventId(sha256, tenant, "restamp", [item.origin, String(item.seq), String(item.from)])),
      commits.map(({ from }) => from),
      commits.map(({ to }) => to),
      commits.map(({ node }) => node),
      commits.map(({ tier }) => tier),
      commits.map(({ author }) => author),
      commits.map(({ origin }) => origin),
      commits.map(({ seq }) => seq),
      commits.map(({ rowCount }) => rowCount),
    ],
  );
}
