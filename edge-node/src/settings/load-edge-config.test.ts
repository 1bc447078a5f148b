import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadSettings } from "@hayloft/engine";
import { changedSettings } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EdgeConfig } from "./edge-settings.ts";
import { edgeSettings } from "./edge-settings.ts";
import { edgeConfigOf, loadEdgeConfig } from "./load-edge-config.ts";
import { readSecret } from "./read-secret.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "hayloft-config-"));
});
afterAll(() => rm(directory, { recursive: true }));

const file = async (name: string, text: string): Promise<string> => {
  const target = path.join(directory, name);
  await writeFile(target, text, { mode: 0o600 });
  return target;
};

describe("edge configuration", () => {
  it("a flag beats the environment, which beats the file, which beats the default", async () => {
    const config = await file("edge.yaml", "data_dir: /from/file\nbroker:\n  port: 1\ningress:\n  batch_delay_ms: 7\n");
    const env = { HAYLOFT_EDGE_DATA_DIR: "/from/env", HAYLOFT_EDGE_BROKER_PORT: "2" };
    const loaded = await loadEdgeConfig(["status", "--config", config, "--broker-port", "3", "--json"], env);
    expect(loaded.config).toMatchObject({
      data_dir: "/from/env",
      "broker.port": 3,
      "ingress.batch_delay_ms": 7,
      "http.port": 5100,
    });
    expect(loaded.sources).toMatchObject({
      data_dir: "environment",
      "broker.port": "flag",
      "ingress.batch_delay_ms": "file",
      "http.port": "default",
    });
    expect(loaded.rest).toEqual(["status", "--json"]);
  });

  it.each([
    ["an unknown key", { data_dir: "/x", brokr: { port: 1 } }, "brokr"],
    [
      "a number out of bounds",
      { data_dir: "/x", ingress: { dedupe_ttl_hours: 12 } },
      "ingress.dedupe_ttl_hours: must be at least 24",
    ],
    ["a missing data directory", {}, "data_dir: is required"],
    ["standalone without a tenant", { data_dir: "/x", mode: "standalone" }, "tenant_id: is required in mode standalone"],
    [
      "standalone with a hub",
      { data_dir: "/x", mode: "standalone", tenant_id: "t", hub_url: "https://h" },
      "hub_url: must not be set",
    ],
    ["a plain hub", { data_dir: "/x", hub_url: "http://hub.example" }, "hub_url: must start with https://"],
    ["a plain external broker", { data_dir: "/x", mqtt: { url: "mqtt://broker.example" } }, "mqtt.url: must start with mqtts://"],
    ["an open broker without TLS", { data_dir: "/x", broker: { host: "0.0.0.0" } }, "broker.host: beyond this machine"],
    [
      "anonymous devices beyond this machine",
      { data_dir: "/x", broker: { host: "::", anonymous: true, tls_cert_file: "c", tls_key_file: "k" } },
      "broker.anonymous",
    ],
    ["open HTTP without TLS", { data_dir: "/x", http: { host: "0.0.0.0" } }, "http.host: beyond this machine"],
    ["half of a TLS pair", { data_dir: "/x", broker: { tls_cert_file: "c" } }, "broker.tls_cert_file: goes together"],
    ["a user without a password", { data_dir: "/x", mqtt: { username: "u" } }, "mqtt.username: goes together"],
  ])("refuses %s and says which key and why", async (_name, content, problem) => {
    const config = await file("wrong.json", JSON.stringify(content));
    await expect(loadEdgeConfig(["--config", config], {})).rejects.toMatchObject({
      code: "config-invalid",
      message: expect.stringContaining(problem),
    });
  });

  it("names every problem at once", async () => {
    const config = await file("many.yaml", "data_dir: /x\nfoo: 1\nhttp:\n  port: 70000\n");
    await expect(loadEdgeConfig(["--config", config], {})).rejects.toThrow(/foo.*http\.port|http\.port.*foo/s);
  });

  it("insecure allows what development needs, and nothing is needed on this machine alone", () => {
    expect(
      edgeConfigOf({
        data_dir: "/x",
        insecure: true,
        hub_url: "http://hub.example",
        "broker.host": "0.0.0.0",
        "broker.anonymous": true,
      }),
    ).toBeDefined();
    expect(edgeConfigOf({ data_dir: "/x", hub_url: "http://127.0.0.1:8080", "mqtt.url": "mqtt://localhost" })).toBeDefined();
  });

  it("refuses files that are not there, not YAML, or not settings", async () => {
    await expect(loadEdgeConfig(["--config", path.join(directory, "none.yaml")], {})).rejects.toMatchObject({
      code: "config-invalid",
    });
    await expect(loadEdgeConfig(["--config", await file("bad.yaml", "a: [")], {})).rejects.toThrow("cannot be read as YAML");
    await expect(loadEdgeConfig(["--config", await file("list.yaml", "- a")], {})).rejects.toMatchObject({
      code: "config-invalid",
    });
  });
});

describe("secrets", () => {
  it("come from files that only their owner may read", async () => {
    const secret = await file("secret", "s3cret\n");
    expect(await readSecret("mqtt.password_file", secret)).toBe("s3cret");
    await chmod(secret, 0o644);
    const error = await readSecret("mqtt.password_file", secret).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "config-invalid", details: { setting: "mqtt.password_file" } });
    expect(String(error)).not.toContain("s3cret");
    await expect(readSecret("x", path.join(directory, "none"))).rejects.toMatchObject({ code: "config-invalid" });
    await expect(readSecret("x", await file("empty", "\n"))).rejects.toThrow("empty");
  });
});

it("T-C11 P-C11 P-E4 every setting is read by the daemon, outside the module that declares it", async () => {
  const source = path.resolve(import.meta.dirname, "../../src");
  const names = (await readdir(source, { recursive: true })).filter(
    (name) => name.endsWith(".ts") && !/\.test\.ts$|edge-settings\.ts$|testing\/|load-edge-config\.ts$/.test(name),
  );
  const text = (await Promise.all(names.map((name) => readFile(path.join(source, name), "utf8")))).join("\n");
  const unread = Object.keys(edgeSettings.settings).filter(
    (key) => !text.includes(`config["${key}"]`) && !text.includes(`config.${key}`),
  );
  expect(unread).toEqual([]);
});

it.each(changedSettings(edgeSettings))(
  "T-C11 P-E4 the setting $key can be changed from its default by file, environment and flag",
  ({ key, flag, env, value }) => {
    const content = { data_dir: "/x" };
    for (const input of [
      { file: { name: "test", content: { ...content, [key]: value } } },
      { file: { name: "test", content }, env: { [env]: String(value) } },
      { file: { name: "test", content }, argv: [`${flag}=${String(value)}`] },
    ]) {
      const values: Readonly<Record<string, unknown>> = loadSettings(edgeSettings, input).values;
      expect(values[key]).toEqual(value);
    }
    expect(edgeSettings.settings[key as keyof EdgeConfig].default).not.toEqual(value);
  },
);
