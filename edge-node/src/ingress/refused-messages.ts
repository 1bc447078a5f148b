import type { SqlSession } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import type { RefusedMessage } from "./ingress-message.ts";
import { timestampText } from "./ingress-message.ts";

const TEXT_LENGTH_MAX = 512;

/** Keeps what is known of refused messages: reason, size and hash, never the payload. */
export async function insertRefused(tx: SqlSession, tenant: string, refused: readonly RefusedMessage[]): Promise<void> {
  if (refused.length === 0) return;
  await tx.query(
    `insert into ingress_refused (tenant_id, id, reason, detail, topic, event_id, device_id, size_bytes, hash, received_at)
     select $1, *
     from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[], $10::timestamptz[])`,
    [
      tenant,
      refused.map(() => newId()),
      refused.map((item) => item.reason),
      refused.map((item) => item.detail.slice(0, TEXT_LENGTH_MAX)),
      refused.map((item) => storableText(item.topicText) ?? ""),
      refused.map((item) => storableText(item.eventId)),
      refused.map((item) => storableText(item.device)),
      refused.map((item) => item.sizeBytes),
      refused.map((item) => item.hash),
      refused.map((item) => timestampText(item.receivedAtMs)),
    ],
  );
}

/** Deletes the oldest refused messages beyond `rowsMax`, at most `limit` at a time, and returns how many. */
export async function trimRefused(session: SqlSession, rowsMax: number, limit: number): Promise<number> {
  const { affected } = await session.query(
    `delete from ingress_refused where (tenant_id, id) in
       (select tenant_id, id from ingress_refused order by received_at
        limit least($2::bigint, greatest(0, (select count(*) from ingress_refused) - $1::bigint)))`,
    [rowsMax, limit],
  );
  return affected;
}

/** The newest refused messages. */
export async function listRefused(session: SqlSession, limit: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { rows } = await session.query(
    `select id, reason, detail, topic, event_id, device_id, size_bytes, hash, received_at
     from ingress_refused order by received_at desc limit $1`,
    [limit],
  );
  return rows;
}

/** What a device sent as an id or topic may be anything; Postgres text cannot hold a null character. */
function storableText(text: string | null): string | null {
  return text === null ? null : text.replaceAll("\0", "\u{FFFD}").slice(0, TEXT_LENGTH_MAX);
}
