import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { Aedes } from "aedes";
import { connectAsync } from "mqtt";
import { afterEach, beforeEach, expect, it } from "vitest";
import { edgeConfigOf } from "../settings/load-edge-config.ts";
import { until } from "../testing/edge-fixture.ts";
import { connectExternalBroker } from "./external-broker.ts";
import type { Broker, MqttMessage } from "./mqtt-message.ts";

/** A broker as a site may run it, beside the daemon. */
let aedes: Aedes;
let server: Server;
const sockets = new Set<Socket>();
let url: string;
let taken: MqttMessage[] = [];
let connection: Broker | null = null;

beforeEach(async () => {
  taken = [];
  aedes = await Aedes.createBroker();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await connection?.close();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  server.close();
});

const open = async (take: (message: MqttMessage) => Promise<{ readonly accepted: boolean }>): Promise<Broker> => {
  const opened = await connectExternalBroker({
    config: edgeConfigOf({ data_dir: "/unused", "mqtt.url": url }),
    nodeId: "node-1",
    take: (message) => {
      taken.push(message);
      return take(message);
    },
    onProblem: () => undefined,
  });
  connection = opened;
  await until("the subscription stands", () => opened.problem() === null);
  return opened;
};

const publishMany = async (count: number): Promise<void> => {
  const device = await connectAsync(url, {}, false);
  await Promise.all(
    Array.from({ length: count }, (_, index) => device.publishAsync("iot/telemetry/t/f/b/d/m", String(index), { qos: 1 })),
  );
  await device.endAsync();
};

it("takes many messages before the first is acknowledged, so that they can share a commit", async () => {
  const releases: (() => void)[] = [];
  await open(() => new Promise((resolve) => releases.push(() => resolve({ accepted: true }))));
  await publishMany(50);
  await until("all came in without an acknowledgement", () => taken.length === 50);
  for (const release of releases) release();
});

it("T-C2 P-C2 what was not acknowledged comes again after the connection broke, and what was does not", async () => {
  let stored = 0;
  await open(() => (++stored <= 10 ? Promise.resolve({ accepted: true }) : new Promise(() => undefined)));
  await publishMany(15);
  await until("all came in", () => taken.length === 15);
  await connection?.close();
  taken = [];
  await open(() => Promise.resolve({ accepted: true }));
  await until("the rest came again", () => taken.length >= 5);
  expect(taken.map((message) => Buffer.from(message.payload).toString())).toEqual(["10", "11", "12", "13", "14"]);
});

it("asks for a message again when it could not be stored", async () => {
  let attempts = 0;
  await open(() => (++attempts === 1 ? Promise.reject(new Error("no store")) : Promise.resolve({ accepted: true })));
  await publishMany(1);
  await until("it came again", () => attempts === 2);
});

it("S14.5 says why when the broker is away, and comes back by itself", async () => {
  const opened = await open(() => Promise.resolve({ accepted: true }));
  const { port } = server.address() as AddressInfo;
  server.close();
  for (const socket of sockets) socket.destroy();
  await until("it is noticed", () => opened.problem() !== null);
  expect(opened.problem()).toMatch(/closed|ECONN/);
  server = createServer(aedes.handle);
  server.listen(port, "127.0.0.1");
  await until("it is back", () => opened.problem() === null);
});
