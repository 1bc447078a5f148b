import { newId } from "@hayloft/engine";
import type { IngressMessage } from "../ingress/ingress-message.ts";
import { messagesOf, timestampText } from "../ingress/ingress-message.ts";
import type { DomainContext } from "./domain-context.ts";

/** Stores what dispensers gave out. The batch is the one named if it is known here, else the one that was in the barn. */
export async function storeFeedDispensed(
  { tx, tenant, nowMs }: DomainContext,
  messages: readonly IngressMessage[],
): Promise<void> {
  const dispensed = messagesOf(messages, "feed.dispensed");
  if (dispensed.length === 0) return;
  await tx.query(
    `insert into feed_intake_record (tenant_id, id, farm_id, barn_id, batch_id, device_id, source, feed_formula_id, feed_lot_id, quantity_kg,
       occurred_at, ingested_at, event_id, sequence)
     select $1, id, farm_id, barn_id,
       coalesce((select known.id from batches as known where known.tenant_id = $1 and known.id = named_batch), batch_at($1, barn_id, occurred_at)),
       device_id, 'MQTT_DISPENSED', formula_id, lot_id, quantity, occurred_at, $2::timestamptz, event_id, sequence
     from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::numeric[], $11::timestamptz[], $12::text[],
       $13::int[])
       as news (id, farm_id, barn_id, named_batch, device_id, formula_id, lot_id, quantity, occurred_at, event_id, sequence)
     on conflict do nothing`,
    [
      tenant,
      timestampText(nowMs),
      dispensed.map(() => newId()),
      dispensed.map(({ message }) => message.farm_id),
      dispensed.map(({ message }) => message.barn_id),
      dispensed.map(({ message }) => message.payload.batch_id),
      dispensed.map(({ message }) => message.device_id),
      dispensed.map(({ message }) => message.payload.feed_formula_id),
      dispensed.map(({ message }) => message.payload.feed_lot_id),
      dispensed.map(({ message }) => String(message.payload.quantity_kg)),
      dispensed.map((item) => timestampText(item.occurredAtMs)),
      dispensed.map(({ message }) => message.event_id),
      dispensed.map(({ message }) => message.payload.sequence),
    ],
  );
}
