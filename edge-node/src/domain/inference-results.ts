import type { Message } from "@hayloft/schema";
import { inferenceResultId, weightSessionId } from "@hayloft/schema";
import type { IngressMessage } from "../ingress/ingress-message.ts";
import { messagesOf, stationOf, timestampText } from "../ingress/ingress-message.ts";
import type { DomainContext } from "./domain-context.ts";

/**
 * Stores results of models that run on a device. The id is derived from image and model version (from the event when no
 * image is named), so that asking twice gives one result.
 */
export async function storeInferenceResults({ tx, tenant }: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const results = messagesOf(messages, "weighvision.inference.completed");
  if (results.length === 0) return;
  await tx.query(
    `insert into inference_results (tenant_id, id, farm_id, barn_id, device_id, station_id, session_id, weight_session_id, media_id,
       predicted_weight_kg, predicted_size, confidence, model_version, occurred_at, event_id, trace_id)
     select $1, id, farm_id, barn_id, device_id, station_id, session_id, weight_session_id, media_id, weight, size, confidence, model_version,
       occurred_at, event_id, trace_id
     from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[], $9::text[], $10::numeric[], $11::text[],
       $12::timestamptz[], $13::text[], $14::text[], $15::uuid[], $16::uuid[])
       as news (farm_id, barn_id, device_id, station_id, session_id, media_id, weight, size, confidence, model_version, occurred_at, event_id,
         trace_id, id, weight_session_id)
     on conflict do nothing`,
    [
      tenant,
      results.map(({ message }) => message.farm_id),
      results.map(({ message }) => message.barn_id),
      results.map(({ message }) => message.device_id),
      results.map(({ message }) => stationOf(message)),
      results.map(({ message }) => (message.topic.kind === "weighvision" ? message.topic.session_id : null)),
      results.map(({ message }) => message.payload.media_id),
      results.map(({ message }) => decimalText(message.payload.predicted_weight_kg)),
      results.map(({ message }) => message.payload.predicted_size),
      results.map(({ message }) => decimalText(message.payload.confidence)),
      results.map(({ message }) => message.payload.model_version),
      results.map((item) => timestampText(item.occurredAtMs)),
      results.map(({ message }) => message.event_id),
      results.map((item) => item.traceId),
      results.map(({ message }) =>
        inferenceResultId(tenant, message.payload.media_id ?? message.event_id, message.payload.model_version),
      ),
      results.map(({ message }) => sessionRowId(tenant, message)),
    ],
  );
}

function sessionRowId(tenant: string, { topic }: Message): string | null {
  return topic.kind === "weighvision" ? weightSessionId(tenant, topic.station_id, topic.session_id) : null;
}

const decimalText = (value: number | null): string | null => (value === null ? null : String(value));
