import type { SqlSession } from "@hayloft/engine";
import { timestampText } from "../ingress/ingress-message.ts";

/**
 * Computes first weight, last weight and number of images of sessions from their children. The last weight counts as final
 * once the session is. Derived on every tier that has the children, never replicated.
 */
export async function refreshSessions(
  tx: SqlSession,
  tenant: string,
  keys: readonly { readonly station: string; readonly session: string }[],
): Promise<void> {
  if (keys.length === 0) return;
  await tx.query(
    `update weight_sessions as held set initial_weight_kg = figures.initial, final_weight_kg = figures.final, image_count = figures.images
     from (
       select session.id,
         (select weight_kg from session_weights as child where child.tenant_id = $1 and child.weight_session_id = session.id
          order by occurred_at, event_id limit 1) as initial,
         case when session.status = 'finalized' then
           (select weight_kg from session_weights as child where child.tenant_id = $1 and child.weight_session_id = session.id
            order by occurred_at desc, event_id desc limit 1) end as final,
         (select count(*)::int from session_media_bindings as child where child.tenant_id = $1 and child.weight_session_id = session.id) as images
       from unnest($2::text[], $3::text[]) as wanted (station_id, session_id)
       join weight_sessions as session on session.tenant_id = $1 and session.station_id = wanted.station_id and session.session_id = wanted.session_id
     ) as figures
     where held.tenant_id = $1 and held.id = figures.id
       and (held.initial_weight_kg, held.final_weight_kg, held.image_count) is distinct from (figures.initial, figures.final, figures.images)`,
    [tenant, keys.map((key) => key.station), keys.map((key) => key.session)],
  );
}

/**
 * Marks sessions as incomplete that had no image for `waitMs` after they became known here; at most `limit`. Counted from
 * when we heard of them, so that a station that replays its buffer is not blamed. Returns how many were marked.
 */
export async function markIncompleteSessions(
  session: SqlSession,
  tenant: string,
  nowMs: number,
  waitMs: number,
  limit: number,
): Promise<number> {
  const { affected } = await session.query(
    `update weight_sessions set status = 'incomplete', updated_at = greatest(updated_at, $2::timestamptz)
     where tenant_id = $1 and id in (
       select id from weight_sessions where tenant_id = $1 and status = 'created' and image_count = 0 and created_at <= $3::timestamptz
       order by created_at limit $4)`,
    [tenant, timestampText(nowMs), timestampText(nowMs - waitMs), limit],
  );
  return affected;
}

/** Binds images whose own row has arrived since the message about them; at most `limit`. Returns how many. */
export async function bindArrivedMedia(session: SqlSession, tenant: string, limit: number): Promise<number> {
  const { affected } = await session.query(
    `update session_media_bindings set is_bound = true where tenant_id = $1 and id in (
       select binding.id from session_media_bindings as binding
       join media_objects as media on media.tenant_id = $1 and media.id::text = binding.media_object_id
       where binding.tenant_id = $1 and not binding.is_bound limit $2)`,
    [tenant, limit],
  );
  return affected;
}
