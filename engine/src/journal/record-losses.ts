import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Commit } from "../commit/commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import { type CommitLoser, type LossBook, type Purge, writeOfLoser } from "./loss-book.ts";
import { eventId, lossId } from "./loss-id.ts";

/**
 * Puts into the journal what a batch made lose, in the batch's own transaction. The same loss again changes nothing; a value that
 * was superseded, or stands again, is not lost. Costs nothing when there is nothing.
 */
export async function recordLosses(tx: SqlSession, env: ReplicaEnvironment, tenant: string, book: LossBook): Promise<void> {
  if (book.isEmpty) return;
  await forgetPurged(tx, env, tenant, book.purges);
  await insertLosers(tx, env, tenant, book.losers);
  await forgetStanding(tx, env, tenant, book);
  await markSuperseded(tx, env, tenant, book);
}

const nodeOrNull = (node: string): string | null => (node === "" ? null : node);

async function insertLosers(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  losers: readonly CommitLoser[],
): Promise<void> {
  if (losers.length === 0) return;
  const commits = [...new Set(losers.flatMap(({ commit }): Commit[] => (commit === null ? [] : [commit])))];
  const items = losers.map(({ loser }) => loser);
  await tx.query(insertSql, [
    tenant,
    items.map((item) => lossId(env.sha256, tenant, writeOfLoser(item))),
    items.map((item) => item.table),
    items.map((item) => item.key.join(KEY_SEPARATOR)),
    items.map((item) => item.column),
    items.map((item) => item.rule),
    items.map((item) => item.lost),
    items.map((item) => item.loser.value),
    items.map((item) => item.loser.stamp),
    items.map((item) => nodeOrNull(item.loser.node)),
    items.map((item) => item.winner.value),
    items.map((item) => item.winner.stamp),
    items.map((item) => nodeOrNull(item.winner.node)),
    commits.map((commit) => commit.stamp),
    commits.map((commit) => commit.node),
    commits.map((commit) => commit.origin),
    commits.map((commit) => commit.seq),
    commits.map((commit) => commit.tier),
    commits.map((commit) => commit.author),
  ]);
}

/** Who wrote a value: a commit of this batch, or one that is still in the log. */
const writer = (side: "loser" | "winner"): string => `left join lateral (
    select known.origin, known.seq, known.tier, known.author from (
      select i.origin, i.seq, i.tier, i.author from incoming i where i.stamp = l.${side}_stamp and i.node = l.${side}_node
      union all
      select c.origin, c.seq, c.tier, c.author from hayloft.commit c
        where c.tenant_id = $1 and c.stamp = l.${side}_stamp and c.node_id = l.${side}_node) known limit 1) ${side} on true`;

const insertSql = `with incoming as materialized (
    select * from unnest($14::bigint[], $15::uuid[], $16::uuid[], $17::bigint[], $18::text[], $19::text[])
      as i (stamp, node, origin, seq, tier, author))
  insert into hayloft.loss (tenant_id, id, table_name, row_key, column_name, rule, lost, loser_value, loser_stamp, loser_node,
    winner_value, winner_stamp, winner_node, loser_origin, loser_seq, loser_tier, loser_author,
    winner_origin, winner_seq, winner_tier, winner_author)
  select $1, l.*, loser.origin, loser.seq, loser.tier, loser.author, winner.origin, winner.seq, winner.tier, winner.author
  from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::uuid[],
      $11::text[], $12::bigint[], $13::uuid[])
    as l (id, table_name, row_key, column_name, rule, lost, loser_value, loser_stamp, loser_node, winner_value, winner_stamp, winner_node)
  ${writer("loser")}
  ${writer("winner")}
  on conflict (tenant_id, id) do nothing`;

/** A value that stands has not lost: its row came back, or what had beaten it was taken back. */
async function forgetStanding(tx: SqlSession, env: ReplicaEnvironment, tenant: string, { standing }: LossBook): Promise<void> {
  if (standing.length === 0) return;
  await tx.query(
    `delete from hayloft.loss l using unnest($2::uuid[], $3::text[]) as s (id, value)
    where l.tenant_id = $1 and l.id = s.id and l.loser_value is not distinct from s.value and not l.superseded and l.rule <> 'undo'`,
    [tenant, standing.map((item) => lossId(env.sha256, tenant, item)), standing.map(({ value }) => value)],
  );
}

/** Marks writes that somebody replaced knowingly, also those that are not here yet, so that they never count as lost. */
async function markSuperseded(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  { superseded }: LossBook,
): Promise<void> {
  if (superseded.length === 0) return;
  await tx.query(
    `insert into hayloft.loss as l (tenant_id, id, table_name, row_key, column_name, rule, lost, loser_stamp, loser_node, superseded)
    select $1, s.id, s.table_name, s.row_key, s.column_name, 'superseded', 'existing', s.stamp, s.node, true
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::uuid[])
      as s (id, table_name, row_key, column_name, stamp, node)
    on conflict (tenant_id, id) do update set superseded = true where not l.superseded and l.rule not in ('refused', 'undo')`,
    [
      tenant,
      superseded.map((item) => lossId(env.sha256, tenant, item)),
      superseded.map((item) => item.table),
      superseded.map((item) => item.key.join(KEY_SEPARATOR)),
      superseded.map((item) => item.column),
      superseded.map((item) => item.written.stamp),
      superseded.map((item) => nodeOrNull(item.written.node)),
    ],
  );
}

/** Values of rows that this replica may not see any more go with the rows; that they went is noted, once per commit and table. */
async function forgetPurged(tx: SqlSession, env: ReplicaEnvironment, tenant: string, purges: readonly Purge[]): Promise<void> {
  if (purges.length === 0) return;
  const rows = purges.flatMap(({ table, keys }) => keys.map((key) => ({ table, key })));
  await tx.query(
    `delete from hayloft.loss l using unnest($2::text[], $3::text[]) as p (table_name, row_key)
    where l.tenant_id = $1 and l.table_name = p.table_name and l.row_key = p.row_key`,
    [tenant, rows.map(({ table }) => table), rows.map(({ key }) => key)],
  );
  await tx.query(
    `insert into hayloft.loss (tenant_id, id, table_name, row_key, column_name, rule, lost, row_count, winner_origin, winner_seq,
      winner_tier, winner_author, winner_node, winner_stamp)
    select $1, p.id, p.table_name, '', '$purged', 'purge', 'existing', p.row_count, p.origin, p.seq, p.tier, p.author, p.node, p.stamp
    from unnest($2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::uuid[], $10::bigint[])
      as p (id, table_name, row_count, origin, seq, tier, author, node, stamp)
    on conflict (tenant_id, id) do update set row_count = hayloft.loss.row_count + excluded.row_count`,
    purgeVectors(env, tenant, purges),
  );
}

function purgeVectors(env: ReplicaEnvironment, tenant: string, purges: readonly Purge[]) {
  const counted = new Map<string, { readonly purge: Purge; count: number }>();
  for (const purge of purges) {
    const name = `${purge.commit.origin} ${String(purge.commit.seq)} ${purge.table}`;
    const known = counted.get(name) ?? { purge, count: 0 };
    counted.set(name, { ...known, count: known.count + purge.keys.length });
  }
  const items = [...counted.values()].map(({ purge, count }) => ({ ...purge, count }));
  return [
    tenant,
    items.map(({ table, commit }) => eventId(env.sha256, tenant, "purge", [table, commit.origin, String(commit.seq)])),
    items.map(({ table }) => table),
    items.map(({ count }) => count),
    items.map(({ commit }) => commit.origin),
    items.map(({ commit }) => commit.seq),
    items.map(({ commit }) => commit.tier),
    items.map(({ commit }) => commit.author),
    items.map(({ commit }) => commit.node),
    items.map(({ commit }) => commit.stamp),
  ];
}
