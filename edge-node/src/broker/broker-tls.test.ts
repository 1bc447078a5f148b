import { writeFile } from "node:fs/promises";
import type { AddressInfo, Server } from "node:net";
import { createServer as createTcpServer } from "node:net";
import path from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { Aedes } from "aedes";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Edge } from "../daemon/start-edge.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { edgeConfigOf } from "../settings/load-edge-config.ts";
import { messageOf } from "../testing/barn-fixture.ts";
import { countRows, firstBarn, standaloneConfig, startStandalone, temporaryDirectory, until } from "../testing/edge-fixture.ts";
import { testCertificates } from "../testing/test-certificates.ts";
import { connectExternalBroker } from "./external-broker.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const file = (name: string): string => path.join(directory.path, name);
beforeAll(async () => {
  directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(testCertificates)) await writeFile(file(name), text, { mode: 0o600 });
});
afterAll(() => directory.remove());

const tlsConfig = (certificate: string): EdgeConfig =>
  standaloneConfig(file("data"), { "broker.tls_cert_file": file(certificate), "broker.tls_key_file": file("key") });

const barn = firstBarn();
const reading = () =>
  messageOf(
    barn,
    { kind: "telemetry", device_id: barn.sensor_device_ids[0] ?? "", metric: "tls" },
    { payload: { value: 1 } },
    Date.now(),
  );

const publishOver = async (url: string, ca: string | null): Promise<void> => {
  const options = { reconnectPeriod: 0, connectTimeout: 5000, ...(ca === null ? {} : { ca }) };
  const device = await connectAsync(url, options, false);
  const { topic, payload } = reading();
  await device.publishAsync(topic, Buffer.from(payload), { qos: 1 });
  await device.endAsync();
};

const refusedOver = async (url: string, ca: string | null): Promise<string> =>
  await publishOver(url, ca).then(
    () => "accepted",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
  );

const metricOf = async (edge: Edge): Promise<number | null> => {
  const found = /^mqtt_certificate_expires_seconds (\S+)$/m.exec((await edge.monitor.metrics()).text);
  return found === null ? null : Number(found[1]);
};

describe("the own broker", () => {
  it("S13.2 takes messages over TLS from a device that knows its authority, and no other way", async () => {
    const edge = await startStandalone(tlsConfig("server"));
    try {
      expect(edge.mqttUrl).toMatch(/^mqtts:/);
      await publishOver(edge.mqttUrl, testCertificates.authority);
      expect(await countRows(edge, "telemetry_raw where metric = 'tls'")).toBe(1);
      expect(await refusedOver(edge.mqttUrl, testCertificates.otherAuthority)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      expect(await refusedOver(edge.mqttUrl, null)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      expect(await refusedOver(edge.mqttUrl.replace("mqtts:", "mqtt:"), null)).not.toBe("accepted");
      expect(await countRows(edge, "telemetry_raw where metric = 'tls'")).toBe(1);
      expect(await metricOf(edge)).toBeGreaterThan(30 * 86_400);
      expect((await edge.monitor.readiness()).degraded).toEqual([]);
    } finally {
      await edge.stop();
    }
  });

  it("S13.2 with an expired certificate it runs on and says so, in readiness and as a metric, and devices see why", async () => {
    const edge = await startStandalone(tlsConfig("expired"));
    try {
      expect(await refusedOver(edge.mqttUrl, testCertificates.authority)).toBe("CERT_HAS_EXPIRED");
      expect(await edge.monitor.readiness()).toMatchObject({
        ready: true,
        degraded: [{ part: "mqtt", problem: "broker.tls_cert_file: expired on 2021-01-01" }],
      });
      expect(await metricOf(edge)).toBeLessThan(0);
    } finally {
      await edge.stop();
    }
  });

  it("S13.2 does not start with the key of another certificate, or with files that are no PEM", async () => {
    await expect(startStandalone({ ...tlsConfig("otherAuthority") })).rejects.toThrow("is not the key of broker.tls_cert_file");
    await expect(startStandalone({ ...tlsConfig("key") })).rejects.toThrow("cannot be read as PEM");
  });

  it("S13.2 has no certificate metric without TLS", async () => {
    const edge = await startStandalone(standaloneConfig(file("plain")));
    expect(await metricOf(edge)).toBeNull();
    await edge.stop();
  });
});

/** A broker of the site with the named certificate; null speaks no TLS. */
async function withBroker(
  certificate: "server" | "expired" | "elsewhere" | null,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const aedes = await Aedes.createBroker();
  const server: Server =
    certificate === null
      ? createTcpServer(aedes.handle)
      : createTlsServer({ cert: testCertificates[certificate], key: testCertificates.key }, aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    server.close();
  }
}

describe("an external broker", () => {
  it.each([
    ["whose certificate another authority has signed", "server", "otherAuthority", /signed by nobody we trust.*mqtt\.ca_file/],
    ["of a private authority that nobody named", "server", null, /signed by nobody we trust.*mqtt\.ca_file/],
    ["whose certificate has expired", "expired", "authority", /^tls: the certificate has expired/],
    ["whose certificate is for another name", "elsewhere", "authority", /^tls: the certificate is for another name/],
    ["that speaks no TLS", null, "authority", /^tls: the port does not speak TLS/],
  ] as const)("S13.2 %s is not used, and the reason is named", async (_name, certificate, authority, reason) => {
    await withBroker(certificate, async (url) => {
      const problems: string[] = [];
      const connection = await connectExternalBroker({
        config: edgeConfigOf({
          data_dir: "/unused",
          "mqtt.url": url,
          "mqtt.ca_file": authority === null ? null : file(authority),
        }),
        nodeId: "node-1",
        take: () => Promise.reject(new Error("nothing may come")),
        onProblem: (problem) => problems.push(problem),
      });
      await until("the reason is known", () => problems.length > 0);
      expect(problems[0]).toMatch(reason);
      expect(connection.problem()).not.toBeNull();
      await connection.close();
    });
  });

  it("S13.2 with a private authority that was named is used", async () => {
    await withBroker("server", async (url) => {
      const taken: string[] = [];
      const connection = await connectExternalBroker({
        config: edgeConfigOf({ data_dir: "/unused", "mqtt.url": url, "mqtt.ca_file": file("authority") }),
        nodeId: "node-1",
        take: ({ topic }) => Promise.resolve({ accepted: taken.push(topic) > 0 }),
        onProblem: () => undefined,
      });
      await until("the subscription stands", () => connection.problem() === null);
      await publishOver(url, testCertificates.authority);
      await until("the message is taken", () => taken.length === 1);
      expect(taken).toEqual([reading().topic]);
      await connection.close();
    });
  });
});

describe("plain MQTT beyond this machine", () => {
  it.each([
    ["an external broker", { "mqtt.url": "mqtt://broker.example" }, "mqtt.url: must start with mqtts://"],
    ["the own broker", { "broker.host": "0.0.0.0" }, "broker.host: beyond this machine the broker needs"],
  ] as const)("S13.2 is refused for %s unless insecure says so", (_name, settings, problem) => {
    expect(() => edgeConfigOf({ data_dir: "/unused", ...settings })).toThrow(problem);
    expect(edgeConfigOf({ data_dir: "/unused", insecure: true, ...settings })).toMatchObject(settings);
  });
});
