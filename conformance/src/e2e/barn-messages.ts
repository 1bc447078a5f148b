import type { BarnPlan, FarmPlan } from "@hayloft/device-simulator";
import { newId } from "@hayloft/engine";
import type { Topic } from "@hayloft/schema";
import { buildEnvelope, topicFor } from "@hayloft/schema";
import type { MqttClient } from "mqtt";
import { connectAsync } from "mqtt";

export interface DeviceMessage {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly eventId: string;
}

export interface Said {
  readonly eventId?: string;
  readonly atMs?: number;
  readonly payload?: Readonly<Record<string, unknown>>;
}

type Without<Of, Keys extends string> = Of extends unknown ? Omit<Of, Keys> : never;
type OwnTopic = Without<Topic, "tenant_id" | "farm_id" | "barn_id">;

/** What the devices of one barn of a plan say. */
export class BarnVoice {
  readonly plan: BarnPlan;
  readonly #farm: FarmPlan;

  constructor(farm: FarmPlan, barn = 0) {
    const plan = farm.barns[barn];
    if (plan === undefined) throw new Error(`the plan has no barn ${barn}`);
    this.plan = plan;
    this.#farm = farm;
  }

  get gateway(): string {
    return this.plan.gateways[0] ?? "";
  }

  reading(value: number, said: Said & { readonly device?: string; readonly metric?: string } = {}): DeviceMessage {
    const { device = this.gateway, metric = "temperature" } = said;
    return this.#message({ kind: "telemetry", device_id: device, metric }, device, { ...said, payload: { value } });
  }

  weigh(session: string, type: string, said: Said & { readonly device?: string } = {}): DeviceMessage {
    const station = this.plan.stations[0];
    const topic = {
      kind: "weighvision",
      station_id: station?.station ?? "",
      session_id: session,
      event_type: `weighvision.${type}`,
    } as const;
    return this.#message(topic, said.device ?? station?.device ?? "", said);
  }

  dispensed(kg: number, said: Said = {}): DeviceMessage {
    const device = this.plan.dispenser ?? "";
    return this.#message({ kind: "event", device_id: device, event_type: "feed.dispensed" }, device, {
      ...said,
      payload: { quantity_kg: kg },
    });
  }

  status(payload: Readonly<Record<string, unknown>>): DeviceMessage {
    return this.#message({ kind: "status", device_id: this.gateway }, this.gateway, { payload });
  }

  #message(own: OwnTopic, device: string, said: Said): DeviceMessage {
    const topic = { ...own, tenant_id: this.#farm.tenant, farm_id: this.#farm.farm, barn_id: this.plan.barn } as Topic;
    const eventId = said.eventId ?? newId();
    const payload = buildEnvelope(topic, {
      event_id: eventId,
      trace_id: newId(),
      ts: new Date(said.atMs ?? Date.now()),
      payload: said.payload ?? {},
      device_id: device,
    });
    return { topic: topicFor(topic), payload, eventId };
  }
}

/** A device's connection with a persistent session. */
export async function connectDevice(mqttUrl: string, clientId: string): Promise<MqttClient> {
  return await connectAsync(mqttUrl, { clientId, clean: false, reconnectPeriod: 100, connectTimeout: 5_000 }, false);
}

/** Publishes at QoS 1; resolves when the broker has acknowledged. */
export async function publish(client: MqttClient, ...messages: readonly DeviceMessage[]): Promise<void> {
  await Promise.all(
    messages.map(async ({ topic, payload }) => await client.publishAsync(topic, Buffer.from(payload), { qos: 1 })),
  );
}
