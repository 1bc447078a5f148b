import { writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import path from "node:path";
import type { MqttClient } from "mqtt";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectDevice, standaloneConfig, temporaryDirectory, until } from "../testing/edge-fixture.ts";
import { hashPassword } from "./device-accounts.ts";
import type { BrokerEvent } from "./embedded-broker.ts";
import { startEmbeddedBroker } from "./embedded-broker.ts";
import type { Broker, MqttMessage } from "./mqtt-message.ts";

let broker: Broker;
let removeDirectory: () => Promise<void>;
let taken: MqttMessage[] = [];
let events: BrokerEvent[] = [];
let verdict: (message: MqttMessage) => Promise<{ readonly accepted: boolean }>;

beforeAll(async () => {
  const directory = await temporaryDirectory();
  removeDirectory = () => directory.remove();
  const accounts = path.join(directory.path, "accounts.yaml");
  const account = {
    username: "gateway",
    password_hash: await hashPassword("right password"),
    tenant_id: "t",
    farm_id: "f",
    barn_id: "b",
    device_ids: ["d1"],
    station_ids: ["s1"],
  };
  await writeFile(accounts, JSON.stringify([account]), { mode: 0o600 });
  const config = standaloneConfig(directory.path, { "broker.anonymous": false, "broker.accounts_file": accounts });
  broker = await startEmbeddedBroker({
    config,
    take: (message) => {
      taken.push(message);
      return verdict(message);
    },
    onEvent: (event) => events.push(event),
  });
});
afterAll(async () => {
  await broker.close();
  await removeDirectory();
});
beforeEach(() => {
  taken = [];
  events = [];
  verdict = () => Promise.resolve({ accepted: true });
});

const login = { username: "gateway", password: "right password" };
const OWN_TOPIC = "iot/telemetry/t/f/b/d1/temperature";
const gateway = (clientId: string): Promise<MqttClient> => connectDevice(broker.url, clientId, login);

describe("the own broker", () => {
  it("P-C2 acknowledges only when the message was dealt with, in the order of publishing", async () => {
    const releases: (() => void)[] = [];
    verdict = () => new Promise((resolve) => releases.push(() => resolve({ accepted: true })));
    const client = await gateway("slow");
    const acknowledged: number[] = [];
    const sent = [1, 2, 3].map((value) =>
      client.publishAsync(OWN_TOPIC, String(value), { qos: 1 }).then(() => acknowledged.push(value)),
    );
    await until("all three came in", () => taken.length === 3);
    // Another device connects and leaves meanwhile: an acknowledgement would have had its time.
    await (await gateway("meanwhile")).endAsync();
    expect(acknowledged).toEqual([]);
    for (const release of releases) release();
    await Promise.all(sent);
    expect(acknowledged).toEqual([1, 2, 3]);
    await client.endAsync();
  });

  it("cuts the connection when a message could not be stored, and the device sends it again", async () => {
    let attempts = 0;
    verdict = () => (++attempts < 3 ? Promise.reject(new Error("no store")) : Promise.resolve({ accepted: true }));
    const client = await gateway("again");
    await client.publishAsync(OWN_TOPIC, "x", { qos: 1 });
    expect(taken.map((message) => Buffer.from(message.payload).toString())).toEqual(["x", "x", "x"]);
    await client.endAsync();
  });

  it.each([
    ["a wrong password", { username: "gateway", password: "wrong" }, "plain-id"],
    ["an unknown user", { username: "nobody", password: "right password" }, "plain-id"],
    ["no user", {}, "plain-id"],
    ["a wildcard as client id", login, "#"],
    ["a slash in the client id", login, "a/b"],
    ["a wildcard as user", { username: "+", password: "right password" }, "plain-id"],
  ])("F-H4 lets nobody in with %s", async (_name, credentials, clientId) => {
    await expect(connectAsync(broker.url, { ...credentials, clientId, reconnectPeriod: 0 }, false)).rejects.toThrow(
      /Not authorized|Bad username/i,
    );
    expect(events.map((event) => event.kind)).toContain("client-refused");
  });

  it("F-H4 cuts a device that publishes for another, and takes nothing of it", async () => {
    const client = await connectAsync(broker.url, { ...login, clientId: "forger", reconnectPeriod: 0 }, false);
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.publish("iot/telemetry/t/f/b/other/temperature", "x", { qos: 1 });
    await closed;
    expect(taken).toEqual([]);
    expect(events).toContainEqual({ kind: "publish-denied", clientId: "forger", topic: "iot/telemetry/t/f/b/other/temperature" });
    await client.endAsync(true);
  });

  it("F-H4 lets a device subscribe to its own commands only", async () => {
    const client = await gateway("listener");
    const granted = await client.subscribeAsync(["iot/command/t/f/b/d1/#", "iot/command/t/f/b/d1/x"]);
    expect(granted.map((grant) => grant.qos)).toEqual([0, 0]);
    await expect(client.subscribeAsync("iot/telemetry/#")).rejects.toThrow();
    await expect(client.subscribeAsync("#")).rejects.toThrow();
    await client.endAsync();
  });

  it("publishes a last will when a device vanishes, marked as such", async () => {
    const will = { topic: "iot/status/t/f/b/d1", payload: Buffer.from("gone"), qos: 1, retain: true } as const;
    const client = await connectAsync(broker.url, { ...login, clientId: "mortal", reconnectPeriod: 0, will }, false);
    client.stream.destroy();
    await until("the will came", () => taken.length === 1);
    expect(taken[0]).toMatchObject({ topic: will.topic, lastWill: true });
    await client.endAsync(true);
  });

  it("cuts a connection that declares a packet beyond the limit, and goes on with others", async () => {
    const port = Number(new URL(broker.url.replace("mqtt:", "http:")).port);
    const socket = connectTcp(port, "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
    await closed;
    const client = await gateway("after");
    await client.publishAsync(OWN_TOPIC, "x", { qos: 1 });
    await client.endAsync();
  });

  it("survives bytes that are no MQTT", async () => {
    const port = Number(new URL(broker.url.replace("mqtt:", "http:")).port);
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\u0000\u0000\u0000", "\u00F0\u0001"]) {
      const socket = connectTcp(port, "127.0.0.1");
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => undefined);
      socket.end(Buffer.from(bytes, "latin1"));
      await closed;
    }
    expect(broker.problem()).toBeNull();
  });
});
