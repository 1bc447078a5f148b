import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { storeOutcome } from "../receipt/outcomes.ts";
import type { SqlSession } from "../store/database.ts";
import { footprintOf, type HeldBefore, placeOf } from "./dependence.ts";
import type { HeldId } from "./held-commit.ts";
import type { Source } from "./held-index.ts";
import { checkRoom, holdCommits, keptKey, type ToHold } from "./hold-commits.ts";
import { codeBehind, isWaiting } from "./released-by.ts";

/** What of a slice is not applied, and why. */
export interface RefusedOfSlice {
  readonly refused: ReadonlyMap<Commit, ErrorCode>;
  readonly dependants: ReadonlyMap<Commit, HeldBefore>;
  readonly markOf: (commit: Pick<Commit, "node">) => string;
  /** The slice, for the order. */
  readonly order: readonly Commit[];
  /** A commit as its author sealed it. */
  readonly originalOf: (commit: Commit) => Commit;
}

/**
 * Sets refused commits and those that build on them aside, in the order in which they came, with their outcomes. What waited for
 * a row that a refused commit would have brought steps aside with it. Throws `quarantine-full`.
 */
export async function settleRefused(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { tenant, from, peer }: Source,
  { refused, dependants, markOf, order, originalOf }: RefusedOfSlice,
): Promise<void> {
  if (refused.size === 0 && dependants.size === 0) return;
  const held = order.flatMap((commit): readonly ToHold[] => {
    const code = refused.get(commit);
    if (code !== undefined) return [{ commit, code, sealed: originalOf(commit), judgedBy: markOf(commit) }];
    const cause = dependants.get(commit);
    if (cause === undefined) return [];
    return [{ commit, code: codeBehind(cause), cause, sealed: originalOf(commit), judgedBy: markOf(commit) }];
  });
  await holdCommits(tx, env, tenant, held, peer);
  const told = from === "child" ? peer : null;
  for (const { commit, code } of held)
    await storeOutcome(tx, commit, { outcome: "refused", code, peer: told, toldPosition: null });
  for (const { commit, code } of held) await adoptWaiting(tx, env, commit, code);
  await checkRoom(tx, env, tenant);
}

/**
 * Commits that wait for rows which a refused commit would have brought now have it as their cause, and are refused with it. While
 * it only waits, they go on waiting for the rows.
 */
export async function adoptWaiting(tx: SqlSession, env: ReplicaEnvironment, commit: Commit, code: ErrorCode): Promise<void> {
  if (isWaiting(code)) return;
  const made = [...footprintOf(commit, env.plans).makes].map(placeOf).filter(({ table }) => env.referenced.has(table));
  if (made.length === 0) return;
  const { rows } = await tx.query<HeldId>(
    `update hayloft.quarantine q set cause_origin = $4::uuid, cause_seq = $5::bigint
    where q.tenant_id = $1 and q.state = 'held' and q.code = 'refused-parent' and q.peer is not null and exists (
      select from hayloft.quarantine_place p join unnest($2::text[], $3::text[]) as n (table_name, row_key)
        on n.table_name = p.table_name and n.row_key = p.row_key
      where p.tenant_id = q.tenant_id and p.origin = q.origin and p.seq = q.seq and p.use = 'needs')
    returning origin, seq`,
    [commit.tenant, made.map(({ table }) => table), made.map(({ key }) => keptKey(key)), commit.origin, commit.seq],
  );
  for (const id of rows) await turnHeld(tx, commit.tenant, id, "refused-dependent");
  await turnDependants(tx, commit.tenant, commit);
}

/** Gives a held commit another code, and has its child told. */
async function turnHeld(tx: SqlSession, tenant: string, { origin, seq }: HeldId, code: ErrorCode): Promise<void> {
  await tx.query(`update hayloft.quarantine set code = $4 where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`, [
    tenant,
    origin,
    seq,
    code,
  ]);
  await tx.query(
    `update hayloft.outcome set code = $4, told_position = null, at = now()
    where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint and outcome = 'refused'`,
    [tenant, origin, seq, code],
  );
}

/** Held commits that build on this one, by whatever number of steps, in the order in which they came. */
export async function dependantsOf(tx: SqlSession, tenant: string, { origin, seq }: HeldId): Promise<readonly HeldId[]> {
  const { rows } = await tx.query<HeldId>(
    `with recursive behind (origin, seq) as (
      select $2::uuid, $3::bigint
      union select q.origin, q.seq from hayloft.quarantine q join behind b on q.cause_origin = b.origin and q.cause_seq = b.seq
        where q.tenant_id = $1 and q.state = 'held' and q.peer is not null)
    select q.origin, q.seq from hayloft.quarantine q join behind using (origin, seq)
    where q.tenant_id = $1 and (q.origin, q.seq) <> ($2::uuid, $3::bigint) order by q.held_order`,
    [tenant, origin, seq],
  );
  return rows;
}

/** What waited with a commit is refused with it: its authors get the true rows. */
export async function turnDependants(tx: SqlSession, tenant: string, id: HeldId): Promise<void> {
  for (const dependant of await dependantsOf(tx, tenant, id)) await turnHeld(tx, tenant, dependant, "refused-dependent");
}
