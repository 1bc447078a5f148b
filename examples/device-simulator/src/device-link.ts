import { readFileSync } from "node:fs";
import { buildEnvelope, type EnvelopeContent, type Topic, topicFor } from "@hayloft/schema";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import type { DeviceLedger } from "./device-ledger.ts";
import type { Faults } from "./faults.ts";
import type { BufferedMessage, OfflineBuffer } from "./offline-buffer.ts";
import { chance, type Random } from "./random.ts";

/** How a device reaches its broker. */
export interface BrokerAccess {
  readonly url: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
}

export interface DeviceLinkOptions {
  readonly clientId: string;
  readonly broker: BrokerAccess;
  readonly buffer: OfflineBuffer;
  /** Messages a second when what was buffered offline is sent; the domain's rule is 5 for sensors and 20 for stations. */
  readonly replayPerSecond: number;
  /** The status that the broker publishes when the device goes away without a goodbye, retained. */
  readonly will: { readonly topic: Topic; content(): EnvelopeContent } | null;
  readonly faults: Faults;
  readonly random: Random;
  readonly ledger: DeviceLedger;
}

const IN_FLIGHT_MAX = 32;
const JITTER_MS_MAX = 200;

/**
 * One device's MQTT connection. Everything goes through the offline buffer, so that a message leaves it only when the
 * broker has acknowledged it: after a drop of the line, of the broker or of the device itself it is sent again with the
 * same event id.
 */
export class DeviceLink {
  readonly #options: DeviceLinkOptions;
  readonly #client: MqttClient;
  readonly #inFlight = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;
  #replaying = false;

  constructor(options: DeviceLinkOptions) {
    this.#options = options;
    this.#client = connect(options.broker.url, connectionOptions(options));
    this.#client.on("connect", () => this.#replay());
    // The client reconnects by itself; what happened is counted and not thrown.
    this.#client.on("error", () => options.ledger.countError());
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  /** Sends a message now, or keeps it until the broker is there. Throws when the ingress would refuse the message. */
  publish(topic: Topic, content: EnvelopeContent, options: { readonly keep?: boolean } = {}): void {
    const body = new TextDecoder().decode(buildEnvelope(topic, content));
    const message = {
      id: content.event_id,
      topic: topicFor(topic),
      body,
      atMs: content.ts.getTime(),
      keep: options.keep ?? false,
    };
    this.#options.ledger.countMade(message.topic);
    this.#options.buffer.add(message, Date.now());
    if (!this.connected || this.#replaying || this.#inFlight.size >= IN_FLIGHT_MAX) return this.#replay();
    void this.#send(message, false);
  }

  /** Publishes a retained status; it is not buffered, since only the newest counts. */
  publishStatus(topic: Topic, content: EnvelopeContent): void {
    if (!this.connected) return;
    this.#client.publish(topicFor(topic), Buffer.from(buildEnvelope(topic, content)), { qos: 1, retain: true });
  }

  /** Resolves when nothing waits any more, or after `timeoutMs`; returns what still waits. */
  async flush(timeoutMs: number): Promise<number> {
    const deadline = Date.now() + timeoutMs;
    while (this.#options.buffer.size > 0 && Date.now() < deadline) {
      this.#replay();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#options.buffer.size;
  }

  /** Closes the connection. `abrupt` cuts it without a goodbye, so that the broker publishes the will. */
  async close(abrupt = false): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    if (abrupt) this.#client.stream.destroy();
    await this.#client.endAsync(true);
  }

  #replay(): void {
    if (this.#replaying || this.#closed || !this.connected) return;
    const waiting = this.#options.buffer.waiting().filter((message) => !this.#inFlight.has(message.id));
    if (waiting.length === 0) return;
    this.#replaying = true;
    this.#replayNext(waiting, 0);
  }

  #replayNext(waiting: readonly BufferedMessage[], index: number): void {
    const message = waiting[index];
    if (message === undefined || this.#closed || !this.connected) {
      this.#replaying = false;
      return;
    }
    void this.#send(message, true);
    const pauseMs = 1_000 / this.#options.replayPerSecond;
    this.#later(pauseMs + Math.min(JITTER_MS_MAX, pauseMs) * this.#options.random(), () => this.#replayNext(waiting, index + 1));
  }

  async #send(message: BufferedMessage, replayed: boolean): Promise<void> {
    const { faults, random, ledger } = this.#options;
    this.#inFlight.add(message.id);
    const body = replayed ? withReplayMarks(message.body) : message.body;
    try {
      await this.#client.publishAsync(message.topic, body, { qos: 1 });
      ledger.countAcknowledged(message.topic, message.id);
      if (chance(random, faults.duplicate)) this.#later(faults.delayMsMax * random(), () => this.#again(message.topic, body));
      if (chance(random, faults.malformed)) this.#again(message.topic, body.slice(0, Math.floor(body.length / 2)));
      this.#options.buffer.done(message.id);
    } catch {
      // The line broke before the acknowledgement: the message is still in the buffer and goes out on the next connection.
      ledger.countError();
    } finally {
      this.#inFlight.delete(message.id);
    }
  }

  #again(topic: string, body: string): void {
    if (this.connected) this.#client.publish(topic, body, { qos: 1 });
    this.#options.ledger.countExtra();
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }
}

const withReplayMarks = (body: string): string => {
  const envelope = JSON.parse(body) as Record<string, unknown>;
  return JSON.stringify({
    ...envelope,
    produced_at: new Date().toISOString(),
    retry_count: Number(envelope["retry_count"] ?? 0) + 1,
  });
};

const connectionOptions = ({ clientId, broker, will }: DeviceLinkOptions): IClientOptions => ({
  clientId,
  clean: true,
  reconnectPeriod: 500,
  connectTimeout: 5_000,
  // What waits is in the offline buffer; a second queue in the client would send it twice.
  queueQoSZero: false,
  ...(broker.username === undefined ? {} : { username: broker.username }),
  ...(broker.passwordFile === undefined ? {} : { password: readFileSync(broker.passwordFile, "utf8").trim() }),
  ...(broker.caFile === undefined ? {} : { ca: readFileSync(broker.caFile) }),
  ...(will === null
    ? {}
    : {
        will: {
          topic: topicFor(will.topic),
          payload: Buffer.from(buildEnvelope(will.topic, will.content())),
          qos: 1 as const,
          retain: true,
        },
      }),
});
