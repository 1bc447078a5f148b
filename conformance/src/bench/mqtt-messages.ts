import { buildEnvelope, type SeedBarn, seedPlan, type SeedSize, type TelemetryTopic, topicFor } from "@hayloft/schema";

/** One farm of four barns with ten gateways each, three metrics a gateway. */
export const FARM: SeedSize = { barnsPerFarm: 4, sensorDevicesPerBarn: 10 };

export interface BenchMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

const METRICS = ["temperature", "humidity", "ammonia"] as const;
const barns: readonly SeedBarn[] = seedPlan(FARM).tenants[0]?.farms[0]?.barns ?? [];
const places = barns.flatMap((barn) =>
  barn.sensor_device_ids.flatMap((device_id) =>
    METRICS.map((metric): TelemetryTopic => {
      const { tenant_id, farm_id, barn_id } = barn;
      return { kind: "telemetry", tenant_id, farm_id, barn_id, device_id, metric };
    }),
  ),
);

/** Between two messages when each gateway sends each metric once a minute. */
export const LIVE_STEP_MS = 60_000 / places.length;

/** The event id and the stored value of a message, in a form that can be compared. */
export const messageLine = (number: number): string => `${eventId(number)} ${valueOf(number).toFixed(4)}`;

const eventId = (number: number): string => `0195f3c0-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

const valueOf = (number: number): number => ((number * 7919) % 1_000) / 10;

/** The message of a number: gateways and metrics in turn, every one with its own event id. */
export const benchMessage = (times: { readonly startMs: number; readonly stepMs: number }, number: number): BenchMessage => {
  const topic = places[number % places.length];
  if (topic === undefined) throw new Error("the benchmark's farm has no gateways");
  const ts = new Date(times.startMs + number * times.stepMs);
  const payload = buildEnvelope(topic, {
    event_id: eventId(number),
    trace_id: eventId(number - (number % METRICS.length)),
    ts,
    produced_at: ts,
    payload: { value: valueOf(number), unit: "C", metric: topic.metric, sensor_id: topic.device_id },
  });
  return { topic: topicFor(topic), payload: Buffer.from(payload) };
};
