import { readFile } from "node:fs/promises";
import { HayloftError } from "@hayloft/engine";
import { topicFilters } from "@hayloft/schema";
import type { IClientOptions, IPublishPacket, MqttClient } from "mqtt";
import { connect } from "mqtt";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { readSecret } from "../settings/read-secret.ts";
import type { Broker, TakeMessage } from "./mqtt-message.ts";
import { tlsProblemOf } from "./tls-problem.ts";

export interface ExternalBrokerOptions {
  readonly config: EdgeConfig;
  /** MQTT client id when the configuration names none. The broker keeps our session under it. */
  readonly nodeId: string;
  readonly take: TakeMessage;
  readonly onProblem: (reason: string) => void;
}

const RECONNECT_MS = 2000;
const KEEPALIVE_SECONDS = 30;
const CONNECT_TIMEOUT_MS = 10_000;
/** Messages taken from the broker and not yet acknowledged; above it nothing more is read from the socket. */
const IN_FLIGHT_MAX = 2000;

/**
 * Connects to a broker that somebody else runs, with a persistent session: what is published while we are away waits there.
 * A message is acknowledged only when `take` is done with it; when it fails the connection is made anew, so that the broker
 * sends it again. Resolves at once; the connection is tried for ever.
 */
export async function connectExternalBroker(options: ExternalBrokerOptions): Promise<Broker> {
  const url = options.config["mqtt.url"];
  if (url === null) throw new HayloftError("config-invalid", { problem: "mqtt.url: is required for an external broker" });
  const client = connect(url, await clientOptions(options));
  let problem: string | null = "not connected yet";
  client.on("connect", () => {
    client.subscribe([...topicFilters], { qos: 1 }, (error, granted) => {
      const denied = granted?.find((grant) => grant.qos > 2)?.topic;
      problem = error === null && denied === undefined ? null : `the broker refused the subscription ${denied ?? ""}`.trim();
      if (problem !== null) options.onProblem(problem);
    });
  });
  const lost = (reason: string): void => {
    problem = reason;
    options.onProblem(reason);
  };
  client.on("error", (error) => lost(tlsProblemOf(error) ?? error.message));
  client.on("close", () => {
    problem ??= "the connection to the broker is closed";
  });
  acknowledgeAfterwards(client, options.take, lost);
  return {
    url,
    certificateEndsMs: null,
    problem: () => problem,
    connections: () => null,
    close: () => client.endAsync().then(() => undefined),
  };
}

async function clientOptions({ config, nodeId }: ExternalBrokerOptions): Promise<IClientOptions> {
  const passwordFile = config["mqtt.password_file"];
  const caFile = config["mqtt.ca_file"];
  return {
    clientId: config["mqtt.client_id"] ?? nodeId,
    clean: false,
    protocolVersion: 4,
    reconnectPeriod: RECONNECT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepalive: KEEPALIVE_SECONDS,
    ...(config["mqtt.username"] === null ? {} : { username: config["mqtt.username"] }),
    ...(passwordFile === null ? {} : { password: await readSecret("mqtt.password_file", passwordFile) }),
    ...(caFile === null ? {} : { ca: await readFile(caFile) }),
  };
}

/**
 * The client library takes the next packet only when the last one is acknowledged, which would mean one message per commit.
 * So its own acknowledgement is passed over (an error given to `handleMessage` does that) and the PUBACK of MQTT 3.1.1,
 * section 3.4, is written here, in the order in which the messages came.
 */
function acknowledgeAfterwards(client: MqttClient, take: TakeMessage, lost: (reason: string) => void): void {
  const passOver = new Error("acknowledged after the commit");
  let inFlight = 0;
  let waiting: (() => void) | null = null;
  let order: Promise<void> = Promise.resolve();
  const done = (): void => {
    inFlight--;
    if (inFlight < IN_FLIGHT_MAX) {
      waiting?.();
      waiting = null;
    }
  };
  client.handleMessage = (packet: IPublishPacket, next) => {
    const { stream } = client;
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    inFlight++;
    const taken = take({ topic: packet.topic, payload, lastWill: !packet.retain });
    order = Promise.allSettled([order, taken]).then(([, result]) => {
      done();
      if (result.status === "rejected") {
        lost("a message could not be stored; the broker is asked to send it again");
        stream.destroy();
      } else if (packet.qos === 1 && packet.messageId !== undefined && client.stream === stream && !stream.destroyed) {
        stream.write(puback(packet.messageId));
      }
    });
    const goOn = (): void => (packet.qos === 1 ? next(passOver) : next());
    if (inFlight < IN_FLIGHT_MAX) goOn();
    else waiting = goOn;
  };
}

function puback(messageId: number): Buffer {
  return Buffer.from([0x40, 0x02, messageId >> 8, messageId & 0xff]);
}
