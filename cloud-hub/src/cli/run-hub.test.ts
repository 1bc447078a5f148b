import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createIdentity, identityFromRecord, type LogEvent } from "@hayloft/engine";
import { startEmbeddedPostgres } from "@hayloft/engine/postgres";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startHub } from "../hub/start-hub.ts";
import type { RunningCommand } from "../testing/hub-command.ts";
import { hubCommand, startHubCommand } from "../testing/hub-command.ts";
import { RawChild } from "../testing/raw-child.ts";
import { base64url, postEnrol } from "../testing/test-hub.ts";
import { waitFor } from "../testing/wait-for.ts";

let directory: string;
let running: RunningCommand | null = null;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "hub-run-"));
  chmodSync(directory, 0o755);
});

afterEach(async () => {
  const child = running?.process;
  running = null;
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("close", resolve));
  }
  rmSync(directory, { recursive: true, force: true });
});

async function startService(): Promise<{ readonly command: RunningCommand; readonly url: string }> {
  const command = startHubCommand(["--http-port", "0", "--data-dir", "data", "--shutdown-reconnect-after-ms", "1234"], directory);
  running = command;
  const ready = await waitFor(
    "the hub",
    () =>
      command.events().find((event) => event["event"] === "hub-ready") ??
      (command.process.exitCode === null ? null : { url: command.err() }),
    60_000,
  );
  return { command, url: String(ready["url"]) };
}

const command = async (...args: readonly string[]): Promise<unknown> => {
  const result = await hubCommand([...args, "--json", "--data-dir", "data"], directory);
  expect([result.code, result.err]).toEqual([0, ""]);
  return JSON.parse(result.out);
};

async function exitOf({ process: child }: RunningCommand): Promise<readonly [number | null, NodeJS.Signals | null]> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode];
  return await new Promise((resolve) => child.once("close", (code, signal) => resolve([code, signal])));
}

describe("hayloft-hub run", () => {
  it(
    "F-E1 works with commands beside it, and on SIGTERM asks its children to come back, then stops whole",
    { timeout: 180_000 },
    async () => {
      const service = await startService();
      await command("tenant", "create", "--name", "One", "--id", "t-1");
      const { token } = (await command("token", "create", "--tenant", "t-1")) as { token: string };
      const pending = createIdentity({ tier: "edge", tenant: null });
      const { body } = await postEnrol(service.url, {
        token,
        publicKey: base64url(pending.publicKey),
        name: "edge",
        tier: "edge",
      });
      const identity = identityFromRecord({ ...pending.toRecord(), nodeId: body["nodeId"], tenant: "t-1" });
      const child = new RawChild(String(body["syncUrl"]));
      expect(await child.handshake(identity)).not.toBeNull();

      service.command.process.kill("SIGTERM");
      expect(await child.frame("drain")).toMatchObject({ type: "drain", afterMs: 1234 });
      expect([1001, 1012]).toContain(await child.closed());
      expect(await exitOf(service.command)).toEqual([0, null]);
      expect(service.command.events().map((event) => event["event"])).toEqual(expect.arrayContaining(["stopping", "stopped"]));
      expect(service.command.err()).toBe("");
    },
  );

  it(
    "F-E1 F-E3 keeps everything over SIGKILL, its own and its server's, and starts again on the same directory",
    { timeout: 180_000 },
    async () => {
      const first = await startService();
      await command("tenant", "create", "--name", "Kept", "--id", "t-1");
      first.command.process.kill("SIGKILL");
      await exitOf(first.command);
      const second = await startService();
      expect((await fetch(`${second.url}/api/ready`)).status).toBe(200);
      expect(await command("tenant", "list")).toMatchObject([{ id: "t-1", name: "Kept" }]);
      const twice = await hubCommand(["--http-port", "0", "--data-dir", "data"], directory);
      expect([twice.code, twice.err]).toEqual([1, expect.stringContaining("store-locked")]);

      // Its server is killed: a hub that went on would never be ready again.
      const pid = Number(readFileSync(path.join(directory, "data/postgres/postmaster.pid"), "utf8").split("\n")[0]);
      process.kill(pid, "SIGKILL");
      expect(await exitOf(second.command)).toEqual([1, null]);
      expect(second.command.err()).toContain("store-failed");
      const third = await startService();
      expect((await fetch(`${third.url}/api/ready`)).status).toBe(200);
      expect(await command("tenant", "list")).toMatchObject([{ id: "t-1", name: "Kept" }]);
    },
  );
});

describe("readiness", () => {
  it(
    "S14.5 fails within 2 s with its reason when the database is away, and comes back with it",
    { timeout: 180_000 },
    async () => {
      const dataDir = path.join(directory, "server");
      const server = await startEmbeddedPostgres({ dataDir });
      const events: string[] = [];
      const log = ({ event }: LogEvent): void => void events.push(event);
      const hub = await startHub({ "http.port": 0 }, { databaseUrl: server.connectionString, log });
      const ready = async (): Promise<readonly [number, unknown, number]> => {
        const startedMs = performance.now();
        const response = await fetch(`${hub.url}/api/ready`);
        return [response.status, await response.json(), performance.now() - startedMs];
      };
      expect((await ready())[0]).toBe(200);
      await server.stop();
      const [status, body, tookMs] = await ready();
      expect([status, body]).toEqual([503, { status: "unready", reason: "database" }]);
      expect(tookMs).toBeLessThan(2_000);
      expect((await fetch(`${hub.url}/api/health`)).status).toBe(200);
      const enrolment = await postEnrol(hub.url, {
        token: "hlt_x",
        publicKey: base64url(hub.publicKey),
        name: "n",
        tier: "edge",
      });
      expect([enrolment.status, enrolment.body]).toEqual([503, { error: expect.objectContaining({ code: "unavailable" }) }]);
      const metrics = await (await fetch(`${hub.url}/metrics`)).text();
      expect(metrics).toContain("hub_ready 0");

      const again = await startEmbeddedPostgres({ dataDir, port: server.port });
      await waitFor("readiness", async () => (await ready())[0] === 200, 30_000);
      // Said once, though it is tried five times a second.
      expect(events.filter((event) => event === "heads-failed")).toHaveLength(1);
      await hub.stop();
      const after = fetch(`${hub.url}/api/ready`);
      await expect(after).rejects.toThrow();
      await again.stop();
    },
  );

  it(
    "S14.1 a pool of two under load makes callers wait, fails nothing, and the figures show it",
    { timeout: 180_000 },
    async () => {
      const server = await startEmbeddedPostgres({ dataDir: path.join(directory, "server") });
      const hub = await startHub({ "http.port": 0, "database.pool_max": 2 }, { databaseUrl: server.connectionString });
      let open = (): void => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      let begun = 0;
      const slow = Array.from({ length: 8 }, async () => {
        await hub.database.transaction(async (tx) => {
          await tx.query("select 1");
          begun += 1;
          await opened;
        });
      });
      await waitFor("a full pool", () => begun === 2);
      const metrics = await (await fetch(`${hub.url}/metrics`)).text();
      expect(metrics).toMatch(/db_pool_max 2\n/);
      expect(metrics).toMatch(/db_pool_in_use 2\n/);
      open();
      await expect(Promise.all(slow)).resolves.toHaveLength(8);
      await hub.stop();
      await server.stop();
    },
  );
});
