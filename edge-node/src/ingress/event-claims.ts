import type { SqlSession } from "@hayloft/engine";
import type { IngressMessage } from "./ingress-message.ts";
import { hashOf, timestampText } from "./ingress-message.ts";

/**
 * Claims the events of messages in the transaction of their effect, and returns the ids that are new. An event whose claim
 * has expired may be claimed again; the unique event keys of the tables still keep it from being stored twice. A stored reading
 * is a claim of its own and needs no other. Ids within `messages` must be distinct.
 */
export async function claimEvents(
  tx: SqlSession,
  tenant: string,
  messages: readonly IngressMessage[],
  nowMs: number,
  ttlMs: number,
): Promise<ReadonlySet<string>> {
  if (messages.length === 0) return new Set();
  const { rows } = await tx.query<{ event_id: string }>(
    `insert into ingress_dedupe as held (tenant_id, event_id, first_seen_at, expires_at, topic, hash)
     select $1, event_id, $2::timestamptz, $3::timestamptz, topic, hash
     from unnest($4::text[], $5::text[], $6::text[]) as claimed (event_id, topic, hash)
     where not exists (select from telemetry_raw as t where t.tenant_id = $1 and t.event_id = claimed.event_id)
     order by event_id
     on conflict (tenant_id, event_id) do update
       set first_seen_at = excluded.first_seen_at, expires_at = excluded.expires_at, topic = excluded.topic, hash = excluded.hash
       where held.expires_at <= excluded.first_seen_at
     returning event_id`,
    [
      tenant,
      timestampText(nowMs),
      timestampText(nowMs + ttlMs),
      messages.map(({ message }) => message.event_id),
      messages.map((item) => item.topicText),
      messages.map((item) => hashOf(item.payload)),
    ],
  );
  return new Set(rows.map((row) => row.event_id));
}

/** Deletes at most `limit` expired claims, the oldest first, and returns how many. */
export async function deleteExpiredClaims(session: SqlSession, nowMs: number, limit: number): Promise<number> {
  const { affected } = await session.query(
    `delete from ingress_dedupe where (tenant_id, event_id) in
       (select tenant_id, event_id from ingress_dedupe where expires_at <= $1::timestamptz order by expires_at limit $2)`,
    [timestampText(nowMs), limit],
  );
  return affected;
}
