import { connectAsync, type MqttClient } from "mqtt";
import { type BenchMessage, benchMessage } from "./mqtt-messages.ts";
import type { LoadOrder, LoadReply, LoadResult } from "./mqtt-load.ts";

/** Sends message after message on one connection, with at most `inFlightMax` unacknowledged. */
const publishWindow = (client: MqttClient, messages: readonly BenchMessage[], inFlightMax: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let next = 0;
    let acknowledged = 0;
    const sendOne = (): void => {
      const message = messages[next];
      if (message === undefined) return;
      next += 1;
      client.publish(message.topic, message.payload, { qos: 1 }, (error) => {
        if (error) return reject(error);
        acknowledged += 1;
        if (acknowledged === messages.length) return resolve();
        sendOne();
      });
    };
    for (let slot = 0; slot < inFlightMax; slot += 1) sendOne();
  });

const closedLoop = async (
  clients: readonly MqttClient[],
  messages: readonly BenchMessage[],
  inFlightMax: number,
): Promise<LoadResult> => {
  const startedAt = performance.now();
  await Promise.all(
    clients.map((client, slot) =>
      publishWindow(
        client,
        messages.filter((_, index) => index % clients.length === slot),
        inFlightMax,
      ),
    ),
  );
  return { elapsedMs: performance.now() - startedAt, latenciesMs: [] };
};

/** Sends every message when it is due, however long the others take, and measures from then. */
const openLoop = (clients: readonly MqttClient[], messages: readonly BenchMessage[], perSecond: number): Promise<LoadResult> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const latenciesMs: number[] = [];
    let next = 0;
    const timer = setInterval(() => {
      for (; next < messages.length; next += 1) {
        const dueAt = startedAt + (next * 1_000) / perSecond;
        const message = messages[next];
        if (message === undefined || dueAt > performance.now()) return;
        clients[next % clients.length]?.publish(message.topic, message.payload, { qos: 1 }, (error) => {
          if (error) return reject(error);
          latenciesMs.push(performance.now() - dueAt);
          if (latenciesMs.length === messages.length) resolve({ elapsedMs: performance.now() - startedAt, latenciesMs });
        });
      }
      clearInterval(timer);
    }, 1);
  });

const load = async (order: LoadOrder): Promise<LoadResult> => {
  const messages = Array.from({ length: order.count }, (_, index) => benchMessage(order, order.firstNumber + index));
  const clients = await Promise.all(
    Array.from({ length: order.connections }, (_, index) =>
      connectAsync(order.url, { clientId: `bench-${index}`, reconnectPeriod: 0 }),
    ),
  );
  const result =
    order.perSecond === null
      ? await closedLoop(clients, messages, order.inFlightMax)
      : await openLoop(clients, messages, order.perSecond);
  await Promise.all(clients.map((client) => client.endAsync()));
  return result;
};

process.on("message", (order: LoadOrder) => {
  load(order).then(
    (result) => process.send?.({ kind: "done", result } satisfies LoadReply),
    (error: unknown) =>
      process.send?.({ kind: "failed", message: error instanceof Error ? error.message : "unknown" } satisfies LoadReply),
  );
});
