import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { CliPort } from "./cli/cli-port.ts";
import { edgeCommand } from "./cli/edge-command.ts";
import { startEdge } from "./daemon/start-edge.ts";
import { messageOf } from "./testing/barn-fixture.ts";
import {
  TENANT,
  connectDevice,
  firstBarn,
  publish,
  quietLog,
  standaloneConfig,
  startStandalone,
  temporaryDirectory,
  until,
} from "./testing/edge-fixture.ts";
import { EdgeProcess, freePort } from "./testing/edge-process.ts";

const LIMIT_MS = 400_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeAll(async () => {
  directory = await temporaryDirectory();
  const prepared = await startStandalone(standaloneConfig(directory.path));
  await prepared.stop();
}, LIMIT_MS);
afterAll(() => directory.remove());

/** Runs a command in this process and collects what it prints. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = "",
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const printed = { out: "", err: "" };
  const port: CliPort = {
    env,
    print: (text) => (printed.out += text),
    printError: (text) => (printed.err += text),
    readInput: () => Promise.resolve(input),
    untilSignal: () => Promise.resolve("SIGTERM"),
  };
  return { code: await edgeCommand(args, port), ...printed };
}

it(
  "T-C2 P-C2 S10.1 S5.18 killed between receive and commit again and again, each message is stored exactly once",
  async () => {
    const [mqttPort, httpPort] = [await freePort(), await freePort()];
    const args = [
      "--data-dir",
      directory.path,
      "--mode",
      "standalone",
      "--tenant-id",
      TENANT,
      "--broker-anonymous",
      "--broker-port",
      String(mqttPort),
      "--http-port",
      String(httpPort),
    ];
    let daemon = new EdgeProcess(args);
    await daemon.ready(httpPort);
    const barn = firstBarn();
    const device = await connectDevice(`mqtt://127.0.0.1:${mqttPort}`, "gateway-kill");
    device.on("error", () => undefined);
    const acknowledged = new Set<string>();
    const events: string[] = [];
    const sent: Promise<void>[] = [];
    const send = (count: number): void => {
      for (let index = 0; index < count; index++) {
        const eventId = newId();
        events.push(eventId);
        const topic = { kind: "telemetry", device_id: barn.sensor_device_ids[index % 3] ?? "", metric: "temperature" } as const;
        const message = messageOf(barn, topic, { eventId, payload: { value: index } }, Date.now());
        sent.push(publish(device, message).then(() => void acknowledged.add(eventId)));
      }
    };
    for (const killAfter of [1, 40, 90]) {
      const before = acknowledged.size;
      send(150);
      await until("some are acknowledged", () => acknowledged.size >= before + killAfter, 120_000);
      daemon.kill("SIGKILL");
      await daemon.exited;
      daemon = new EdgeProcess(args);
      await daemon.ready(httpPort);
    }
    await Promise.all(sent);
    const status = await run(["status", "--data-dir", directory.path, "--http-port", String(httpPort)]);
    expect(status).toMatchObject({ code: 0, err: "" });
    expect(status.out).toMatch(/^oldest unsent .*\n/);
    expect(status.out).toMatch(/\nready +yes\n/);
    expect((await run(["refused", "--data-dir", directory.path, "--http-port", String(httpPort)])).out).toBe("none\n");
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    await device.endAsync(true);
    expect(daemon.output).toContain('"event":"edge-stopped"');
    const edge = await startEdge(standaloneConfig(directory.path), { log: quietLog });
    const { rows } = await edge.replica.database.query<{ event_id: string }>("select event_id from telemetry_raw");
    await edge.stop();
    expect(rows.map((row) => row.event_id).toSorted()).toEqual(events.toSorted());
  },
  LIMIT_MS,
);

it(
  "F-A12 with a full disk nothing is acknowledged and the daemon says so; with room it goes on, and a start without any says what it needs",
  async () => {
    const faults = await temporaryDirectory();
    const [mqttPort, httpPort] = [await freePort(), await freePort()];
    const node = ["--data-dir", directory.path, "--mode", "standalone", "--tenant-id", TENANT];
    const ports = ["--broker-anonymous", "--broker-port", String(mqttPort), "--http-port", String(httpPort)];
    const daemon = new EdgeProcess([...node, ...ports], { faultsDir: faults.path });
    await daemon.ready(httpPort);
    // A command that the daemon refuses passes its words on.
    const refused = await run(["block", "device", "x", "--data-dir", directory.path, "--http-port", String(httpPort)]);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(/^hayloft-edge: http:.* answered 40\d: .*admin_token_file/u),
    ]);
    const readings = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/sync/digest`);
      const { tables } = (await response.json()) as { readonly tables: readonly { table: string; rows: number }[] };
      return tables.find(({ table }) => table === "telemetry_raw")?.rows ?? 0;
    };
    const before = await readings();
    const device = await connectDevice(`mqtt://127.0.0.1:${mqttPort}`, "gateway-full");
    device.on("error", () => undefined);
    const barn = firstBarn();
    const acknowledged = new Set<number>();
    await writeFile(join(faults.path, "fail-extend"), "ENOSPC");
    const sent = Array.from({ length: 80 }, async (_, index) => {
      const topic = { kind: "telemetry", device_id: barn.sensor_device_ids[0] ?? "", metric: "temperature" } as const;
      await publish(device, messageOf(barn, topic, { eventId: newId(), payload: { value: index } }, Date.now()));
      acknowledged.add(index);
    });
    const problems = [{ part: "database", problem: "store-full" }];
    await until("it says that it is not ready", async () => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/api/ready`);
      return (
        response.status === 503 &&
        JSON.stringify(((await response.json()) as { problems: unknown }).problems) === JSON.stringify(problems)
      );
    });
    expect(acknowledged.size).toBeLessThan(sent.length);
    await rm(join(faults.path, "fail-extend"));
    await Promise.all(sent);
    expect((await fetch(`http://127.0.0.1:${httpPort}/api/ready`)).status).toBe(200);
    expect(await readings()).toBe(before + sent.length);
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    await device.endAsync(true);
    const events = daemon.output.split("\n").filter((line) => /"event":"(messages-|connection-)/u.test(line));
    expect(events).toEqual([
      expect.stringMatching(/"event":"messages-not-stored","times":1,"code":"store-full"/u),
      expect.stringContaining('"event":"messages-stored-again"'),
    ]);
    await writeFile(join(faults.path, "fail-write"), "ENOSPC");
    const again = new EdgeProcess([...node, ...ports], { faultsDir: faults.path });
    expect(await again.exited).toBe(1);
    expect(again.output).toMatch(
      /^hayloft-edge: store-full: The disk is full\. Free some space; .*freeBytes=0, neededBytes=33554432/u,
    );
    await faults.remove();
  },
  LIMIT_MS,
);

it("explains itself without a configuration", async () => {
  const help = await run(["--help"]);
  expect(help.code).toBe(0);
  for (const text of ["enrol", "quarantine", "check-config", "--data-dir", "HAYLOFT_EDGE_BROKER_PORT", "Default: 5100"])
    expect(help.out).toContain(text);
  expect(await run(["version"])).toMatchObject({ code: 0, out: "0.1.0\n" });
});

it.each([
  ["no data directory", [], "data_dir: is required"],
  ["an unknown setting in the file's place", ["--config", "/nowhere.yaml"], "/nowhere.yaml"],
  ["an unknown command", ["frobnicate", "--data-dir", "/x"], "unknown command"],
  ["an unknown option", ["run", "--frobnicate", "--data-dir", "/x"], "unknown option"],
  ["enrolling without a hub", ["enrol", "--token", "t", "--data-dir", "/x"], "hub_url: is required to enrol"],
  [
    "enrolling in the clear",
    ["enrol", "--token", "t", "--data-dir", "/x", "--hub-url", "http://hub.example"],
    "must start with https://",
  ],
  ["a password that is too short", ["hash-password"], "at least 8 characters"],
])("ends with code 2 and says what to do after %s", async (_name, args, text) => {
  const result = await run(args);
  expect(result.code).toBe(2);
  expect(result.err).toContain(text);
});

it("refuses to start a node that was never enrolled, and says how to enrol it", async () => {
  const empty = await temporaryDirectory();
  const result = await run(["--data-dir", empty.path]);
  expect(result.code).toBe(2);
  expect(result.err).toContain("hayloft-edge enrol");
  await empty.remove();
});

it("says that no daemon answers, with code 1", async () => {
  const result = await run(["status", "--data-dir", "/x", "--http-port", String(await freePort())]);
  expect(result.code).toBe(1);
  expect(result.err).toContain("unavailable");
});

it("shows the whole configuration with its sources and makes password hashes", async () => {
  const checked = await run(["check-config", "--data-dir", "/x"], { HAYLOFT_EDGE_LOG_LEVEL: "debug" });
  expect(checked.out).toMatch(/\nlog\.level +debug +environment\n/);
  expect(checked.out).toMatch(/\ndata_dir +\/x +flag\n/);
  expect((await run(["hash-password"], {}, "long enough\n")).out).toMatch(/^scrypt:[\w-]+:[\w-]+\n$/);
});
