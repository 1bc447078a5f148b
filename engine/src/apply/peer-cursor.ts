import { HayloftError } from "../error/hayloft-error.ts";
import { hex } from "../log/keep-foreign.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

interface CursorRow {
  readonly received_incarnation: string | null;
  readonly received_position: number | null;
}

/**
 * Locks the peer's cursor until the transaction ends, and checks that the slice goes on from it, repeats what is there, or begins where
 * the peer's log does.
 * Returns the position received so far, 0 for a log that is new to us. Throws `sequence-gap`.
 */
export async function lockCursor(
  tx: SqlSession,
  { peer, from, slice, horizon = null, continues }: ApplyRequest,
): Promise<number> {
  const { tenant, incarnation, after } = slice;
  const select = async (): Promise<CursorRow | undefined> => {
    const { rows } = await tx.query<CursorRow>(
      `select received_incarnation, received_position from hayloft.peer where node_id = $1::uuid and tenant_id = $2 for update`,
      [peer, tenant],
    );
    return rows[0];
  };
  let row = await select();
  if (row === undefined) {
    await tx.query(`insert into hayloft.peer (node_id, tenant_id, relation) values ($1::uuid, $2, $3) on conflict do nothing`, [
      peer,
      tenant,
      from,
    ]);
    row = await select();
  }
  const known = row?.received_incarnation ?? null;
  const position = known !== null && (known === incarnation || known === continues) ? (row?.received_position ?? 0) : 0;
  // A child's new incarnation may start late in its log, as what was acknowledged before is pruned; its seqs tell gaps.
  const startsOver = from === "child" && row?.received_incarnation !== incarnation;
  const isGone = from === "child" && after <= (horizon?.position ?? 0);
  if (after > position && !startsOver && !isGone) throw new HayloftError("sequence-gap", { tenant, position, after });
  return position;
}

/** Moves the cursor, never back within an incarnation. Returns up to where the log survives the loss of this site, 0 when that is not known. */
export async function moveCursor(tx: SqlSession, { peer, from, slice }: ApplyRequest, position: number): Promise<number> {
  const { rows } = await tx.query<{ safe: number | null }>(
    `update hayloft.peer set relation = $3, received_incarnation = $4::uuid, received_position = $5::bigint, last_contact_at = now(),
      received_mark = case when $7::boolean then $6::bytea when received_incarnation = $4::uuid and received_position = $5::bigint then received_mark end
    where node_id = $1::uuid and tenant_id = $2 returning case when safe_incarnation = received_incarnation then safe_position end as safe`,
    [
      peer,
      slice.tenant,
      from,
      slice.incarnation,
      position,
      slice.mark === undefined ? null : hex(slice.mark),
      slice.mark !== undefined && slice.upTo === position,
    ],
  );
  return rows[0]?.safe ?? 0;
}

/** Remembers that rows from this parent have to be filled anew, or that evictions wait until it has our work. */
export async function noteDue(
  tx: SqlSession,
  { peer, slice }: ApplyRequest,
  due: { readonly refill: boolean; readonly purge: boolean },
): Promise<void> {
  await tx.query(
    `update hayloft.peer set refill_due = refill_due or $3::boolean, purge_due = purge_due or $4::boolean where node_id = $1::uuid and tenant_id = $2`,
    [peer, slice.tenant, due.refill, due.purge],
  );
}
