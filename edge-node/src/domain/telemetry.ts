import { newId } from "@hayloft/engine";
import { insertTelemetry } from "@hayloft/schema";
import { isSiloReading } from "../ingress/authority.ts";
import type { IngressMessage } from "../ingress/ingress-message.ts";
import { messagesOf } from "../ingress/ingress-message.ts";
import type { DomainContext } from "./domain-context.ts";
import { deriveSiloIntake } from "./silo-intake.ts";

/** Stores readings, marks their hours for the aggregates, and derives feed intake from those of silos. */
export async function storeTelemetry(context: DomainContext, messages: readonly IngressMessage[]): Promise<void> {
  const readings = messagesOf(messages, "telemetry.reading");
  const stored = new Set(
    await insertTelemetry(
      context.tx,
      readings.map(({ message, traceId }) => ({
        id: newId(),
        tenant_id: context.tenant,
        farm_id: message.farm_id,
        barn_id: message.barn_id,
        device_id: message.device_id,
        metric: message.topic.kind === "telemetry" ? message.topic.metric : "",
        value: message.payload.value.toFixed(4),
        unit: message.payload.unit,
        occurred_at: message.occurred_at,
        event_id: message.event_id,
        trace_id: traceId,
      })),
    ),
  );
  const silos = readings.filter(({ message }) => isSiloReading(message) && stored.has(message.event_id));
  await deriveSiloIntake(
    context,
    silos.map(({ message }) => ({ device: message.device_id, eventId: message.event_id })),
  );
}
