import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBarn, createReplacementToken, createToken, grantNode, revokeNode } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import { type Edge, edgeConfigOf, enrol, replaceNode, startEdge } from "@hayloft/edge-node";
import { newId } from "@hayloft/engine";
import { imageKind, takeImage } from "@hayloft/engine/image";
import { loadIdentity } from "@hayloft/engine/node";
import { effort } from "@hayloft/engine/testing";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { INSERT_SQL, sliceRows, telemetryRows } from "../bench/telemetry-rows.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const plan = planFarm("t-image", "f-image", 2);
const { tenant, farm } = plan;
const [barn = "", otherBarn = ""] = plan.barns.map((item) => item.barn);
const ROWS = effort(600);
const TABLES = [...sharedTables("edge", "cloud"), "telemetry_raw"];

let directory: string;
let hub: TestHub;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hayloft-images-"));
  hub = await TestHub.start({ "images.rows_min": 1, "images.dir": join(directory, "shelf") });
  await enterFarm(hub.database, plan);
  const rows = telemetryRows({ tenant, farm, barns: [barn, otherBarn], startMs: Date.now() - 3_600_000 }, ROWS);
  await hub.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    for (let from = 0; from < ROWS; from += 5_000)
      await tx.query(INSERT_SQL, sliceRows(rows, from, Math.min(ROWS, from + 5_000)));
  });
});
afterAll(async () => {
  await hub.end();
  await rm(directory, { recursive: true, force: true });
});

const token = async (): Promise<string> =>
  (await createToken(hub.database, { tenant, tier: "edge", role: "device_agent", farms: [farm], ttlMs: 600_000 }, Date.now()))
    .token;

interface Box {
  readonly edge: Edge;
  /** What its log says of images. */
  readonly said: readonly string[];
}

const configOf = (dataDir: string) =>
  edgeConfigOf({
    data_dir: dataDir,
    hub_url: hub.url,
    "broker.port": 0,
    "broker.anonymous": true,
    "http.port": 0,
    "log.level": "silent",
  });

const listening = (said: string[]) => ({
  write: (_level: string, event: string, fields: Readonly<Record<string, unknown>>) => {
    if (event === "image" || event === "no-image") said.push(String(fields["step"] ?? fields["code"]));
  },
});

const start = async (dataDir: string): Promise<Box> => {
  const said: string[] = [];
  return { edge: await startEdge(configOf(dataDir), { log: listening(said) }), said };
};

const filled = async ({ replica }: Edge): Promise<void> => {
  await until("the edge is filled", async () => {
    const { filling, peers } = await replica.status();
    return !filling && peers.some(({ connected }) => connected);
  });
};

const mortality = async ({ replica }: Edge): Promise<string> => {
  const id = newId();
  const row = { tenant_id: tenant, farm_id: farm, barn_id: barn, id, occurred_at: new Date(), animal_count: 1 };
  await replica.write(async (db) => await db.insertInto("barn_mortality_event").values(row).execute());
  return id;
};

const arrived = async (id: string): Promise<void> => {
  await until("the hub has it", async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [id])) === 1);
};

it("S12.4 a new box, and the one that replaces it, begins as the image that the hub made for their tokens, and goes on from there as itself", async () => {
  const first = join(directory, "first");
  const given = await token();
  await hub.hub.images.tend();
  // The hub's own job may be at it already.
  await until("the image", () => hub.events.some(({ event }) => event === "image-made"));
  expect(hub.events.filter(({ event }) => event.startsWith("image-"))).toMatchObject([
    { event: "image-made", details: { tenant } },
  ]);
  await createBarn(hub.database, { tenant, farm, id: "since", name: "Built since", animalType: "broiler" });
  await enrol({ dataDir: first, hubUrl: hub.url, token: given, name: "first" });
  const { edge, said } = await start(first);
  try {
    expect(said).toEqual(["asked", "fetched", "unpacked", "taken"]);
    await filled(edge);
    await becomeEqual(hub.database, edge.replica.database, tenant, TABLES);
    expect(await countOf(edge.replica.database, "telemetry_raw")).toBe(ROWS);
    expect(await countOf(edge.replica.database, "barns where id = 'since'")).toBe(1);
    const { rows } = await edge.replica.database.query("select node_id::text as node from hayloft.replica");
    expect(rows).toEqual([{ node: edge.identity.nodeId }]);
    await arrived(await mortality(edge));
    const successor = await createReplacementToken(hub.database, { node: edge.identity.nodeId, ttlMs: 600_000 }, Date.now());
    await hub.hub.images.tend();
    const heard: string[] = [];
    const dataDir = join(directory, "second");
    const ports = { log: listening(heard) };
    const replaced = await replaceNode({ config: configOf(dataDir), token: successor.token, name: "second", ports });
    process.stdout.write(`replaced by an image in ${replaced.enrolMs + replaced.fillMs} ms, with ${replaced.rows} rows\n`);
    expect(heard).toEqual(["asked", "fetched", "unpacked", "taken"]);
    expect(replaced.rows).toBeGreaterThan(ROWS);
    expect(await countOf(hub.database, "hayloft.incarnation")).toBe(0);
  } finally {
    await edge.stop();
  }
});

it("a grant that changes after an image was taken leaves the rows of the new one alone, and a revoked node is given none", async () => {
  const dataDir = join(directory, "third");
  const { enrolment } = await enrol({ dataDir, hubUrl: hub.url, token: await token(), name: "third" });
  const identity = loadIdentity(join(dataDir, "identity.json"));
  const publicKey = new Uint8Array(Buffer.from(enrolment.hubPublicKey, "base64url"));
  const parent = { url: new URL(`${hub.url}/api/v1/image`), identity, tenant, node: enrolment.hubNode, publicKey };
  const kind = imageKind(farmCatalog, farmMigrations);
  const take = async (place: string): Promise<void> => {
    const signal = AbortSignal.timeout(60_000);
    await takeImage(join(directory, place, "database"), parent, { kind, tier: "edge", bytesMax: 2 ** 32, signal });
  };
  await take("third");
  await grantNode(hub.database, enrolment.nodeId, { farms: [farm], barns: [barn] });
  const { edge, said } = await start(dataDir);
  try {
    expect(said).toEqual([]);
    const strangers = ["telemetry_raw where barn_id <> $1", "barns where id <> $1", "devices where barn_id <> $1"];
    await until("rows of the other barn are gone", async () => {
      const counts = await Promise.all(strangers.map(async (from) => await countOf(edge.replica.database, from, [barn])));
      return counts.every((count) => count === 0);
    });
    await filled(edge);
    const ours = "telemetry_raw where barn_id = $1";
    expect(await countOf(edge.replica.database, ours, [barn])).toBe(await countOf(hub.database, ours, [barn]));
  } finally {
    await edge.stop();
  }
  await expect(take("fourth")).rejects.toMatchObject({ code: "not-found" });
  await revokeNode(hub.database, enrolment.nodeId);
  await expect(take("fifth")).rejects.toMatchObject({ code: "auth-failed" });
  // Nobody is left who could have that image.
  expect(await hub.hub.images.figures()).toMatchObject({ kept: 1 });
  await hub.database.query("update replica_node set status = 'revoked' where tenant_id = $1", [tenant]);
  await hub.hub.images.tend();
  expect(await hub.hub.images.figures()).toMatchObject({ kept: 0, bytes: 0 });
});
