import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Commit } from "../commit/commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import { type CommitLoser, type LossBook, writeOfLoser } from "./loss-book.ts";
import { lossId } from "./loss-id.ts";

/**
 * Puts into the journal what a batch made lose, in the batch's own transaction. The same loss again changes nothing; a value that
 * was superseded, or stands again, is not lost. Costs nothing when there is nothing.
 */
export async function recordLosses(tx: SqlSession, env: ReplicaEnvironment, tenant: string, book: LossBook): Promise<void> {
  if (book.isEmpty) return;
  for (const { table, keys } of book.purges) await forgetLosses(tx, tenant, table, keys);
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
async function markSuperseded(tx: SqlSession, env: ReplicaEnvironment, tenant: string, { superseded }: LossBook): Promise<void> {
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

/** Values of rows that this replica may not see any more go with the rows. */
export async function forgetLosses(tx: SqlSession, tenant: string, table: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.query(`delete from hayloft.loss where tenant_id = $1 and table_name = $2 and row_key = any($3::text[])`, [
    tenant,
    table,
    keys,
  ]);
}
