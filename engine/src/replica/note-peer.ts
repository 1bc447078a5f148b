import { aheadOf } from "../clock/known-ahead.ts";
import type { SqlSession } from "../store/database.ts";
import type { PeerNote } from "./session-ports.ts";

/** Notes when a peer was met, and why it was left, for people and for the status; and by how much our clock is ahead of a parent's. */
export async function notePeer(session: SqlSession, note: PeerNote): Promise<void> {
  await session.query(
    `insert into hayloft.peer as peer (node_id, tenant_id, relation, last_contact_at, skew_ms, last_error_code, last_error_at)
    values ($1::uuid, $2, $3, case when $5::text is null then now() end, $4::bigint, $5, case when $5::text is not null then now() end)
    on conflict (node_id, tenant_id) do update set relation = excluded.relation,
      last_contact_at = coalesce(excluded.last_contact_at, peer.last_contact_at),
      skew_ms = coalesce(excluded.skew_ms, peer.skew_ms),
      last_error_code = coalesce(excluded.last_error_code, peer.last_error_code),
      last_error_at = coalesce(excluded.last_error_at, peer.last_error_at)`,
    [note.node, note.tenant, note.relation, note.skewMs, note.errorCode],
  );
  if (note.relation !== "parent" || note.skewMs === null) return;
  await session.query("update hayloft.replica set clock_ahead_ms = $1::bigint where clock_ahead_ms <> $1::bigint", [
    aheadOf(note.skewMs),
  ]);
}
