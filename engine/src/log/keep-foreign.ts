import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { changeBody, changeDigest } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { SqlSession } from "../store/database.ts";

interface Kept {
  readonly commit: Commit;
  readonly changes: readonly Change[];
}

/** What of the foreign commits somebody may still need: all of a child's when we have a parent, else what flows down. */
function neededCommits(env: ReplicaEnvironment, from: "child" | "parent", commits: readonly Commit[]): readonly Kept[] {
  if (from === "child" && env.hasParent) return commits.map((commit) => ({ commit, changes: commit.changes }));
  if (env.sentDown.size === 0) return [];
  return commits.flatMap((commit) => {
    const changes = commit.changes.filter((change) => env.sentDown.has(change.table));
    return changes.length === 0 ? [] : [{ commit, changes }];
  });
}

/**
 * Puts applied foreign commits into our own log, behind what is there, and raises the head's stamp to at least theirs, so
 * that what is written here from now on is later. Takes the head lock: call it after the rows were written.
 */
export async function keepForeign(
  tx: SqlSession,
  env: ReplicaEnvironment,
  origin: { readonly peer: string; readonly from: "child" | "parent"; readonly tenant: string },
  commits: readonly Commit[],
): Promise<void> {
  if (commits.length === 0) return;
  const { tenant } = origin;
  const kept = neededCommits(env, origin.from, commits);
  const highest = commits.reduce((most, commit) => (commit.stamp > most ? commit.stamp : most), 0n);
  if (kept.length === 0) {
    await raiseStamp(tx, tenant, highest);
    return;
  }
  const { rows } = await tx.query<{ position: number }>(`select position from hayloft.lock_head($1)`, [tenant]);
  const start = rows[0]?.position ?? 0;
  const sequence = await tx.query<{ txn: number }>(`select nextval('hayloft.txn') as txn from generate_series(1, $1::integer)`, [
    kept.length,
  ]);
  const txns = sequence.rows.map((row) => row.txn);
  const bytes = await insertChanges(tx, env, tenant, kept, txns);
  await insertCommits(tx, env, origin, kept, { txns, bytes, start });
  await tx.query(`update hayloft.head set position = $2, stamp = greatest(stamp, $3::bigint) where tenant_id = $1`, [
    tenant,
    start + kept.length,
    highest,
  ]);
}

/** Raises the head's stamp, so that what is written here from now on is later than `stamp`. */
export async function raiseStamp(tx: SqlSession, tenant: string, stamp: bigint): Promise<void> {
  await tx.query(
    `insert into hayloft.head as h (tenant_id, stamp) values ($1, $2::bigint)
    on conflict (tenant_id) do update set stamp = excluded.stamp where h.stamp < excluded.stamp`,
    [tenant, stamp],
  );
}

/** Returns the bytes of each commit's bodies. */
async function insertChanges(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  kept: readonly Kept[],
  txns: readonly number[],
): Promise<readonly number[]> {
  const rows = kept.flatMap(({ changes }, index) =>
    changes.map((change, place) => ({ change, txn: txns[index] ?? 0, ordinal: place + 1, index })),
  );
  const bodies = rows.map(({ change }) => changeBody(change));
  const bytes = kept.map(() => 0);
  rows.forEach(({ index }, row) => (bytes[index] = (bytes[index] ?? 0) + (bodies[row]?.length ?? 0)));
  const digests = rows.map(({ change }, row) => hex(changeDigest(change, bodies[row], env.sha256)));
  await tx.query(
    `insert into hayloft.change (tenant_id, txn, ordinal, table_name, op, columns, row_count, body, digest)
    select $1, txn, ordinal, table_name, op, columns, row_count, body, digest
    from unnest($2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::bytea[])
      as incoming (txn, ordinal, table_name, op, columns, row_count, body, digest)`,
    [
      tenant,
      rows.map(({ txn }) => txn),
      rows.map(({ ordinal }) => ordinal),
      rows.map(({ change }) => change.table),
      rows.map(({ change }) => change.op),
      rows.map(({ change }) => change.columns.join(",")),
      rows.map(({ change }) => change.rowCount),
      bodies,
      digests,
    ],
  );
  return bytes;
}

async function insertCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer, tenant }: { readonly peer: string; readonly tenant: string },
  kept: readonly Kept[],
  placed: { readonly txns: readonly number[]; readonly bytes: readonly number[]; readonly start: number },
): Promise<void> {
  const laneOf = ({ changes }: Kept): number =>
    Math.min(3, ...changes.map((change) => env.plans.get(change.table)?.table.lane ?? 3));
  const commits = kept.map(({ commit }) => commit);
  await tx.query(
    `insert into hayloft.commit (tenant_id, via, position, txn, origin, seq, stamp, node_id, tier, author, catalog_version,
      previous_hash, hash, row_count, byte_count, lane)
    select $1, $2::uuid, incoming.* from unnest($3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[], $9::text[],
      $10::text[], $11::integer[], $12::bytea[], $13::bytea[], $14::integer[], $15::bigint[], $16::smallint[]) as incoming`,
    [
      tenant,
      peer,
      kept.map((_, index) => placed.start + index + 1),
      placed.txns,
      commits.map((commit) => commit.origin),
      commits.map((commit) => commit.seq),
      commits.map((commit) => commit.stamp),
      commits.map((commit) => commit.node),
      commits.map((commit) => commit.tier),
      commits.map((commit) => commit.author),
      commits.map((commit) => commit.catalogVersion),
      commits.map((commit) => hex(commit.previousHash)),
      commits.map((commit) => hex(commit.hash)),
      kept.map(({ changes }) => changes.reduce((sum, change) => sum + change.rowCount, 0)),
      placed.bytes,
      kept.map(laneOf),
    ],
  );
}

/** Bytes as the text form of bytea, for array parameters. */
export const hex = (bytes: Uint8Array): string =>
  `\\x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
