import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { sha256 } from "../commit/sha256.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { SqlSession } from "../store/database.ts";
import { footprintOf, placeOf, type Use } from "./dependence.ts";
import type { HeldId, HeldState, StoredCommit } from "./held-commit.ts";
import { isRetryable } from "./released-by.ts";

/** One commit to set aside. */
export interface ToHold {
  /** As the present catalog has it: the places that it touches are found by that. */
  readonly commit: Commit;
  /** As its author sealed it, which is what is kept; default `commit`. */
  readonly sealed?: Commit;
  readonly code: ErrorCode;
  /** The held commit that it builds on. */
  readonly cause?: HeldId | null;
  /** What its judges looked at; see `authorityMark`. */
  readonly judgedBy?: string | null;
}

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** JSON in Postgres holds neither NUL nor half a surrogate pair; the copy shows where they were. */
const storable = <T extends string | null>(text: T): T | string =>
  text?.replaceAll("\0", "\uFFFD").replaceAll(/\p{Surrogate}/gu, "\uFFFD") ?? text;

const storableChange = (change: Change): Change => ({
  ...change,
  table: storable(change.table),
  columns: change.columns.map(storable),
  values: change.values.map((vector) => vector.map(storable)),
});

function storedText(commit: Commit): string {
  const stored: StoredCommit = {
    stamp: commit.stamp.toString(),
    node: commit.node,
    tier: commit.tier,
    author: storable(commit.author),
    catalogVersion: commit.catalogVersion,
    previousHash: toHex(commit.previousHash),
    hash: toHex(commit.hash),
    changes: commit.changes.map(storableChange),
  };
  return JSON.stringify(stored);
}

/** Keys longer than this are kept as their hash, so that every key fits an index. */
const KEY_LENGTH_MAX = 300;

/** The form in which a row key is kept and looked up in `hayloft.quarantine_place`. */
export const keptKey = (key: string): string =>
  key.length <= KEY_LENGTH_MAX ? storable(key) : `#${toHex(sha256(new TextEncoder().encode(key)))}`;

/**
 * Sets commits aside, whole, with the places that they touch. A commit that is there already gets the new reason and is held
 * again. `peer` null: our own, which the parent refused.
 */
export async function holdCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  held: readonly ToHold[],
  peer: string | null,
): Promise<void> {
  if (held.length === 0) return;
  const texts = held.map(({ commit, sealed }) => storedText(sealed ?? commit));
  await tx.query(
    `insert into hayloft.quarantine (tenant_id, peer, origin, seq, node_id, code, retryable, cause_origin, cause_seq, judged_by, row_count,
      changes, byte_count, tables)
    select $1, $2::uuid, incoming.*, octet_length(incoming.changes::text),
      array(select distinct item ->> 'table' from jsonb_array_elements(incoming.changes -> 'changes') as item order by 1)
    from unnest($3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::boolean[], $8::uuid[], $9::bigint[], $10::text[], $11::bigint[], $12::jsonb[])
      as incoming (origin, seq, node_id, code, retryable, cause_origin, cause_seq, judged_by, row_count, changes)
    on conflict (tenant_id, origin, seq) do update set code = excluded.code, retryable = excluded.retryable, state = 'held',
      cause_origin = excluded.cause_origin, cause_seq = excluded.cause_seq, judged_by = excluded.judged_by, closed_at = null`,
    [
      tenant,
      peer,
      held.map(({ commit }) => commit.origin),
      held.map(({ commit }) => commit.seq),
      held.map(({ commit }) => commit.node),
      held.map(({ code }) => code),
      held.map(({ code }) => isRetryable(code)),
      held.map(({ cause }) => cause?.origin ?? null),
      held.map(({ cause }) => cause?.seq ?? null),
      held.map(({ judgedBy }) => judgedBy ?? null),
      held.map(({ commit }) => commit.changes.reduce((sum, change) => sum + change.rowCount, 0)),
      texts,
    ],
  );
  await storePlaces(tx, env, tenant, held, peer === null);
}

async function storePlaces(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  held: readonly ToHold[],
  own: boolean,
): Promise<void> {
  const places: { readonly commit: Commit; readonly use: Use; readonly name: string }[] = [];
  for (const { commit } of held) {
    const { makes, changes, needs, groups } = footprintOf(commit, env.plans);
    for (const [use, names] of [
      ["makes", makes],
      ["changes", changes],
      ["needs", needs],
      ["joins", groups],
    ] as const)
      for (const name of names) places.push({ commit, use, name });
  }
  if (places.length === 0) return;
  await tx.query(
    `insert into hayloft.quarantine_place (tenant_id, own, origin, seq, use, table_name, row_key)
    select $1, $2::boolean, * from unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[]) on conflict do nothing`,
    [
      tenant,
      own,
      places.map(({ commit }) => commit.origin),
      places.map(({ commit }) => commit.seq),
      places.map(({ use }) => use),
      places.map(({ name }) => placeOf(name).table),
      places.map(({ name }) => keptKey(placeOf(name).key)),
    ],
  );
}

/** Ends the holding of a commit. It stays listed under its last code; its places are forgotten. */
export async function closeHeld(tx: SqlSession, tenant: string, id: HeldId, state: Exclude<HeldState, "held">): Promise<void> {
  await tx.query(
    `with gone as (delete from hayloft.quarantine_place where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint)
    update hayloft.quarantine set state = $4, retryable = false, closed_at = now()
    where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint and state <> $4`,
    [tenant, id.origin, id.seq, state],
  );
}

/**
 * Throws `quarantine-full` when more is held for others than may be, so that the transaction that would hold it is rolled back:
 * nothing is dropped, and the sender tries again until there is room. `origin` and `seq` name the first commit for which there is
 * none. Call it after new commits were set aside.
 */
export async function checkRoom(tx: SqlSession, env: ReplicaEnvironment, tenant: string): Promise<void> {
  const { commitsMax, bytesMax } = env.quarantineLimits;
  const { rows } = await tx.query<{ commits: number; bytes: number; origin: string; seq: number }>(
    `select commits, bytes, origin, seq from (
      select count(*) over (order by held_order)::int8 as commits, sum(byte_count) over (order by held_order)::int8 as bytes, origin, seq
      from hayloft.quarantine where tenant_id = $1 and state = 'held' and peer is not null) held
    where commits > $2::bigint or bytes > $3::bigint order by commits limit 1`,
    [tenant, commitsMax, bytesMax],
  );
  const [full] = rows;
  if (full !== undefined) throw new HayloftError("quarantine-full", { tenant, ...full, commitsMax, bytesMax });
}
