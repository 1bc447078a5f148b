import { newId } from "@hayloft/engine";
import { weightSessionId } from "@hayloft/schema";
import type { IngressMessage } from "../ingress/ingress-message.ts";
import { messagesOf, timestampText } from "../ingress/ingress-message.ts";
import type { DomainContext } from "./domain-context.ts";
import { refreshSessions } from "./session-figures.ts";

/** What a group of messages says about one session, folded together; the order in which they came does not show. */
interface SessionNews {
  readonly station: string;
  readonly session: string;
  readonly farm: string;
  readonly barn: string;
  readonly device: string;
  readonly traceId: string;
  startMs: number;
  endMs: number | null;
  /** The batch that a `created` message named, or null. */
  batch: string | null;
  announcedImages: number | null;
}

/**
 * Stores the messages of weigh stations. Whatever arrives first makes the session's row: created, a weight, an image or the
 * end; the others fill it. So nothing is lost or depends on the order, and a `created` that comes after the end changes
 * nothing that the end said.
 */
export async function storeWeighSessions(context: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const own = messages.filter(
    (item) => item.message.topic.kind === "weighvision" && item.message.event_type !== "weighvision.inference.completed",
  );
  if (own.length === 0) return;
  await upsertSessions(context, foldNews(own));
  await insertWeights(context, own);
  await insertBindings(context, own);
  await refreshSessions(context.tx, context.tenant, sessionKeys(own));
}

function foldNews(messages: readonly IngressMessage[]): readonly SessionNews[] {
  const news = new Map<string, SessionNews>();
  for (const item of messages) {
    const { message, occurredAtMs } = item;
    if (message.topic.kind !== "weighvision") continue;
    const { station_id: station, session_id: session } = message.topic;
    const key = JSON.stringify([station, session]);
    const found: SessionNews = news.get(key) ?? {
      station,
      session,
      farm: message.farm_id,
      barn: message.barn_id,
      device: message.device_id,
      traceId: item.traceId,
      startMs: occurredAtMs,
      endMs: null,
      batch: null,
      announcedImages: null,
    };
    news.set(key, found);
    found.startMs = Math.min(found.startMs, occurredAtMs);
    if (message.event_type === "weighvision.session.created") {
      found.batch = message.payload.batch_id ?? found.batch;
    } else if (message.event_type === "weighvision.session.finalized") {
      found.endMs = Math.max(found.endMs ?? 0, occurredAtMs);
      found.announcedImages = message.payload.image_count ?? found.announcedImages;
    }
  }
  return [...news.values()];
}

/**
 * One statement for all sessions. Status only moves forward, the start only back, the end only on. The batch is the one that
 * the device named, if it is known here, else the one that was in the barn; one that is there stays, a person may have
 * chosen it.
 */
async function upsertSessions(context: DomainContext, news: readonly SessionNews[]): Promise<void> {
  const { tx, tenant, nowMs } = context;
  await tx.query(
    `insert into weight_sessions as held (tenant_id, id, session_id, station_id, farm_id, barn_id, device_id, trace_id, start_at, end_at,
       batch_id, announced_image_count, status, created_at, updated_at)
     select $1, id, session_id, station_id, farm_id, barn_id, device_id, trace_id, start_at, end_at,
       coalesce((select known.id from batches as known where known.tenant_id = $1 and known.id = named_batch), batch_at($1, barn_id, start_at)), announced, case when end_at is null then 'created' else 'finalized' end, $2::timestamptz, $2::timestamptz
     from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[],
       $12::int[], $13::uuid[]) as news (session_id, station_id, farm_id, barn_id, device_id, trace_id, start_at, end_at, named_batch, announced, id)
     order by station_id, session_id
     on conflict (tenant_id, station_id, session_id) do update set
       start_at = least(held.start_at, excluded.start_at),
       end_at = greatest(held.end_at, excluded.end_at),
       batch_id = coalesce(held.batch_id, excluded.batch_id),
       announced_image_count = coalesce(excluded.announced_image_count, held.announced_image_count),
       status = case when excluded.status = 'finalized' and held.status in ('created', 'incomplete') then 'finalized' else held.status end,
       updated_at = greatest(held.updated_at, excluded.updated_at)
     where (held.start_at, held.end_at, held.batch_id, held.announced_image_count, held.status) is distinct from (
       least(held.start_at, excluded.start_at), greatest(held.end_at, excluded.end_at), coalesce(held.batch_id, excluded.batch_id),
       coalesce(excluded.announced_image_count, held.announced_image_count),
       case when excluded.status = 'finalized' and held.status in ('created', 'incomplete') then 'finalized' else held.status end)`,
    [
      tenant,
      timestampText(nowMs),
      news.map((item) => item.session),
      news.map((item) => item.station),
      news.map((item) => item.farm),
      news.map((item) => item.barn),
      news.map((item) => item.device),
      news.map((item) => item.traceId),
      news.map((item) => timestampText(item.startMs)),
      news.map((item) => (item.endMs === null ? null : timestampText(item.endMs))),
      news.map((item) => item.batch),
      news.map((item) => item.announcedImages),
      news.map((item) => weightSessionId(tenant, item.station, item.session)),
    ],
  );
}

async function insertWeights({ tx, tenant }: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const weights = messagesOf(messages, "weighvision.weight.recorded");
  if (weights.length === 0) return;
  await tx.query(
    `insert into session_weights (tenant_id, id, weight_session_id, session_id, farm_id, barn_id, weight_kg, occurred_at, event_id, trace_id)
     select $1, id, weight_session_id, session_id, farm_id, barn_id, weight_kg, occurred_at, event_id, trace_id
     from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[], $10::numeric[])
       as news (id, weight_session_id, session_id, farm_id, barn_id, occurred_at, event_id, trace_id, weight_kg)
     on conflict (tenant_id, event_id) do nothing`,
    [tenant, ...childColumns(tenant, weights), weights.map((item) => String(item.message.payload.weight_kg))],
  );
}

async function insertBindings({ tx, tenant }: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const images = messagesOf(messages, "weighvision.image.captured");
  if (images.length === 0) return;
  // Two messages about one image of a session make one binding, whichever of the two keys they meet.
  await tx.query(
    `insert into session_media_bindings (tenant_id, id, weight_session_id, session_id, farm_id, barn_id, media_object_id, image_role, occurred_at,
       event_id, trace_id, is_bound)
     select $1, id, weight_session_id, session_id, farm_id, barn_id, media_id, image_role, occurred_at, event_id, trace_id,
       exists (select from media_objects as media where media.tenant_id = $1 and media.id::text = media_id)
     from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[])
       as news (id, weight_session_id, session_id, farm_id, barn_id, occurred_at, event_id, trace_id, media_id, image_role)
     on conflict do nothing`,
    [
      tenant,
      ...childColumns(tenant, images),
      images.map((item) => item.message.payload.media_id),
      images.map((item) => item.message.payload.image_role),
    ],
  );
}

/** Id, session's id and name, farm, barn, time, event and trace of messages about a session's child, column by column. */
function childColumns(tenant: string, messages: readonly IngressMessage[]): readonly (readonly string[])[] {
  const [stations, sessions] = sessionKeyColumns(messages);
  return [
    messages.map(() => newId()),
    stations.map((station, index) => weightSessionId(tenant, station, sessions[index] ?? "")),
    sessions,
    messages.map(({ message }) => message.farm_id),
    messages.map(({ message }) => message.barn_id),
    messages.map((item) => timestampText(item.occurredAtMs)),
    messages.map(({ message }) => message.event_id),
    messages.map((item) => item.traceId),
  ];
}

function sessionKeyColumns(messages: readonly IngressMessage[]): readonly [string[], string[]] {
  const topics = messages.flatMap(({ message }) => (message.topic.kind === "weighvision" ? [message.topic] : []));
  return [topics.map((topic) => topic.station_id), topics.map((topic) => topic.session_id)];
}

function sessionKeys(messages: readonly IngressMessage[]): readonly { readonly station: string; readonly session: string }[] {
  const keys = new Map<string, { readonly station: string; readonly session: string }>();
  const [stations, sessions] = sessionKeyColumns(messages);
  for (const [index, station] of stations.entries()) {
    const session = sessions[index] ?? "";
    keys.set(JSON.stringify([station, session]), { station, session });
  }
  return [...keys.values()];
}
