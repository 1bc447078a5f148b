import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReplacementToken, getNode } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import { edgeConfigOf, newKeyText, replaceNode, restoreBackup } from "@hayloft/edge-node";
import { newId } from "@hayloft/engine";
import { effort } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { INSERT_SQL, sliceRows, telemetryRows } from "../bench/telemetry-rows.ts";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const plan = planFarm("t-backup", "f-backup", 1);
const { tenant, farm } = plan;
const voice = new BarnVoice(plan);
const place = { tenant_id: tenant, farm_id: farm, barn_id: voice.plan.barn };
const ROWS = effort(2_000);
/** What the customer asks for of one site. */
const RTO_MS = 2 * 3_600_000;

let directory: string;
let identities: readonly string[];
let hub: TestHub;
let edge: TestEdge;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hayloft-backups-"));
  const text = await newKeyText(0);
  identities = text.split("\n").filter((line) => line.startsWith("AGE-"));
  await writeFile(join(directory, "key"), text, { mode: 0o600 });
  await writeFile(join(directory, "token"), "a token of the test\n", { mode: 0o600 });
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  const config = {
    "backup.directory": join(directory, "out"),
    "backup.key_file": join(directory, "key"),
    "http.admin_token_file": join(directory, "token"),
  };
  edge = await TestEdge.start(hub, { tenant, farms: [farm], config });
});
afterAll(async () => {
  await edge.end();
  await hub.end();
  await rm(directory, { recursive: true, force: true });
});

const mortality = async (): Promise<string> => {
  const id = newId();
  await edge.daemon.replica.write(async (db) => {
    await db
      .insertInto("barn_mortality_event")
      .values({ ...place, id, occurred_at: new Date(), animal_count: 1 })
      .execute();
  });
  return id;
};

/** Through the daemon's own port, as the command does. */
const backUp = async (): Promise<string> =>
  await until("the daemon made a backup", async () => {
    const headers = { authorization: "Bearer a token of the test", "content-type": "application/json" };
    const url = `${edge.daemon.httpUrl}/api/v1/backups`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ digests: true }) });
    const answer = (await response.json()) as { readonly file?: string; readonly error?: { readonly code: string } };
    if (response.status !== 200 && answer.error?.code !== "backup-busy") throw new Error(JSON.stringify(answer));
    return answer.file;
  });

/** The box's disk is gone; a new one gets the backup, and the node runs again without a link. */
const loseDisk = async (file: string): Promise<void> => {
  edge.wire.hold();
  await edge.stop();
  for (const name of await readdir(edge.dataDir)) await rm(join(edge.dataDir, name), { recursive: true });
  await restoreBackup(file, identities, edge.dataDir);
  await edge.start();
};

const reconnect = async (): Promise<void> => {
  edge.wire.open();
  await edge.filled();
  await edge.drained();
  await becomeEqual(hub.database, edge.database, tenant, sharedTables("edge", "cloud"));
};

const held = async (ids: readonly string[]): Promise<readonly [number, number, number]> => [
  await countOf(hub.database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids.join(",")]),
  await countOf(edge.database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids.join(",")]),
  await countOf(hub.database, "barn_mortality_event where tenant_id = $1", [tenant]),
];

describe("an edge whose disk is lost", () => {
  it("S12.6 F-C7 restored from a backup of before, gets back what it delivered since, and keeps what it wrote before its first contact", async () => {
    const first = await mortality();
    await edge.drained();
    const device = await connectDevice(edge.daemon.mqttUrl, "backed-up");
    const reading = voice.reading(20);
    await publish(device, reading);
    await device.endAsync();
    edge.wire.hold();
    const unsent = await mortality();
    const file = await backUp();
    edge.wire.open();
    const since = [await mortality(), await mortality()];
    await edge.drained();
    await loseDisk(file);
    expect(await held([unsent, first])).toEqual([2, 2, 4]);
    const fresh = await mortality();
    // A device that did not hear the acknowledgement sends again.
    const again = await connectDevice(edge.daemon.mqttUrl, "sends-again");
    await publish(again, reading);
    await again.endAsync();
    await reconnect();
    expect(await held([first, unsent, ...since, fresh])).toEqual([5, 5, 5]);
    const { rows } = await edge.database.query("select cause from hayloft.incarnation where tenant_id = $1", [tenant]);
    expect(rows).toEqual([{ cause: "rewound" }]);
    expect(await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant])).toBe(1);
    expect((await edge.daemon.monitor.status()).quarantined).toBe(0);
  });

  it("S12.6 has in its backup what the hub had not, and delivers it once", async () => {
    const before = await countOf(hub.database, "barn_mortality_event where tenant_id = $1", [tenant]);
    edge.wire.hold();
    const unsent = [await mortality(), await mortality(), await mortality()];
    const file = await backUp();
    await loseDisk(file);
    expect(await countOf(hub.database, "barn_mortality_event where tenant_id = $1", [tenant])).toBe(before);
    await reconnect();
    expect(await held(unsent)).toEqual([3, 3, before + 3]);
  });

  it("S12.4 F-C8 is replaced by a new box from the hub alone: its grant and rows go over, the old node is refused", async () => {
    const rows = telemetryRows({ tenant, farm, barns: [voice.plan.barn], startMs: Date.now() - 3_600_000 }, ROWS);
    await hub.database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      for (let from = 0; from < ROWS; from += 5_000)
        await tx.query(INSERT_SQL, sliceRows(rows, from, Math.min(ROWS, from + 5_000)));
    });
    const old = edge.node;
    const dataDir = join(directory, "new-box");
    const config = edgeConfigOf({ data_dir: dataDir, hub_url: hub.url, "log.level": "silent" });
    const ports = { log: { write: () => undefined } };
    const { token } = await createReplacementToken(hub.database, { node: old, ttlMs: 600_000 }, Date.now());
    const replaced = await replaceNode({ config, token, name: "new box", ports });
    const tookMs = replaced.enrolMs + replaced.fillMs;
    process.stdout.write(`replaced in ${tookMs} ms, with ${replaced.rows} rows of the hub\n`);
    expect(tookMs).toBeLessThan(RTO_MS / 10);
    expect(replaced.enrolment).toMatchObject({ replaces: old, tenant, scopes: { farm: [farm] } });
    expect(replaced.rows).toBeGreaterThan(ROWS);
    await until("the old node is refused", async () => {
      const { peers } = await edge.daemon.monitor.status();
      const refusals = ["auth-revoked", "auth-failed"];
      return peers.some(({ relation, lastError }) => relation === "parent" && refusals.includes(lastError?.code ?? ""));
    });
    const watch = { nowMs: Date.now(), limits: { lateMs: 1, silentMs: 2, lostMs: 3 }, connected: new Set<string>() };
    expect(await getNode(hub.database, old, watch)).toMatchObject({ status: "revoked" });
    expect(await getNode(hub.database, replaced.enrolment.nodeId, watch)).toMatchObject({
      status: "active",
      role: "device_agent",
      scopes: { farm: [farm] },
    });
    await expect(
      replaceNode({ config: { ...config, data_dir: join(directory, "third") }, token, name: "third", ports }),
    ).rejects.toMatchObject({
      code: "token-invalid",
    });
    await expect(
      replaceNode({ config: { ...config, data_dir: edge.dataDir }, token, name: "over", ports }),
    ).rejects.toMatchObject({
      code: "directory-used",
    });
    await expect(createReplacementToken(hub.database, { node: old, ttlMs: 1_000 }, Date.now())).rejects.toMatchObject({
      code: "request-invalid",
    });
  });
});
