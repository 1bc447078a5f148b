import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { listMedia, requestMedia, setCloudMedia } from "@hayloft/cloud-hub";
import { noisePicture, planFarm, startSimulatedFarm } from "@hayloft/device-simulator";
import { newId, type NodeIdentity } from "@hayloft/engine";
import { proveRequest, challengeOf } from "@hayloft/engine/blob";
import { loadIdentity } from "@hayloft/engine/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ChildProgram, freePort } from "./child-program.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge, type TestEdgeOptions } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const plan = planFarm("t-media", "f-media", 2);
const [barn, secondBarn] = plan.barns;
const scale = barn?.stations[0];
if (barn === undefined || secondBarn === undefined || scale === undefined) throw new Error("the plan has no scale");
const place = { tenant_id: plan.tenant, farm_id: plan.farm, barn_id: barn.barn, device_id: scale.device };
const edgePackage = createRequire(import.meta.url).resolve("@hayloft/edge-node");
const edgeProgram = join(dirname(edgePackage), "../bin/hayloft-edge.js");
const admin = { authorization: "Bearer let-me-see" };

let directory: string;
let hub: TestHub;
let edge: TestEdge;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const picture = (widthPx: number, heightPx: number): Buffer => noisePicture(widthPx, heightPx, Math.random);

async function post(base: string, what: string, more: object): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`${base}/api/v1/media/images/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...place, ...more }),
  });
  const body = (await response.json()) as Readonly<Record<string, unknown>>;
  if (response.status !== 200) throw new Error(`${what} answered ${response.status}: ${JSON.stringify(body)}`);
  return body;
}

async function presign(base: string): Promise<{ readonly id: string; readonly key: string; readonly path: string }> {
  const { media_id: id, object_key: key, upload_url: path } = await post(base, "presign", { content_type: "image/png" });
  return { id: String(id), key: String(key), path: String(path) };
}

const patch = async (url: string, offset: number, bytes: Uint8Array): Promise<number> => {
  const headers = { "content-type": "application/offset+octet-stream", "upload-offset": String(offset) };
  return (await fetch(url, { method: "PATCH", headers, body: Buffer.from(bytes) })).status;
};

const offsetOf = async (url: string): Promise<number> =>
  Number((await fetch(url, { method: "HEAD" })).headers.get("upload-offset"));

/** Stores an image at the edge as a device does. */
async function store(bytes: Buffer): Promise<string> {
  const base = edge.daemon.httpUrl;
  const { id, key, path } = await presign(base);
  expect(await patch(`${base}${path}`, 0, bytes)).toBe(204);
  await post(base, "complete", { object_key: key, mime_type: "image/png", sha256: sha256(bytes), size_bytes: bytes.length });
  return id;
}

/** The key of a node that was enrolled and never started. */
async function enrolled(options: TestEdgeOptions): Promise<NodeIdentity> {
  const node = await TestEdge.enrol(hub, options);
  const identity = loadIdentity(join(node.dataDir, "identity.json"));
  await node.end();
  return identity;
}

const atHub = async (id: string, variant = "original"): Promise<Response> =>
  await fetch(`${hub.url}/api/v1/media/bytes?tenant=${plan.tenant}&media_id=${id}&variant=${variant}`, { headers: admin });

const hubFiles = async (): Promise<number> =>
  (await readdir(join(directory, "hub"), { recursive: true }).catch(() => [])).filter((name) => /blobs.*[0-9a-f]{64}$/.test(name))
    .length;

const whereIs = async (id: string): Promise<readonly unknown[]> => {
  const found = (await listMedia(hub.database, plan.tenant, 100)).find((image) => image.id === id);
  return [found?.original, found?.preview, found?.thumbnail];
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hayloft-media-"));
  const tokenFile = join(directory, "token");
  await writeFile(tokenFile, "let-me-see\n", { mode: 0o600 });
  hub = await TestHub.start({ "http.admin_token_file": tokenFile, "media.dir": join(directory, "hub") });
  await enterFarm(hub.database, plan);
  const config = {
    "http.admin_token_file": tokenFile,
    "hub.reconnect_min_ms": 100,
    "hub.reconnect_max_ms": 200,
    "media.disk_free_mb_min": 0,
    "media.upload_kbps": 4_000,
  };
  edge = await TestEdge.start(hub, { tenant: plan.tenant, config });
});
afterAll(async () => {
  await edge.end();
  await hub.end();
  await rm(directory, { recursive: true, force: true });
});

describe("bytes of images", () => {
  it("S2.3 D7 P-S2 S5.17 S16.2 are where the tenant wants them, and their rows everywhere: none, one that was asked for, variants, all", async () => {
    const bytes = picture(400, 300);
    const id = await store(bytes);
    await until("the rows are at the hub", async () => (await whereIs(id))[0] === "site");
    await edge.daemon.runJobs();
    expect(await hubFiles()).toBe(0);
    const absent = await atHub(id);
    expect([absent.status, JSON.stringify(await absent.json())]).toEqual([404, expect.stringContaining("media request")]);

    await requestMedia(hub.database, { tenant: plan.tenant, id, variant: "original", person: "ada" });
    await until("the original that was asked for", async () => (await whereIs(id))[0] === "here");
    expect(await whereIs(id)).toEqual(["here", "site", "site"]);
    const shown = await atHub(id);
    expect([shown.status, shown.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(Buffer.from(await shown.arrayBuffer()).equals(bytes)).toBe(true);

    await setCloudMedia(hub.database, plan.tenant, "variants");
    await until("the variants", async () => (await whereIs(id)).every((spot) => spot === "here"));
    const second = await store(picture(401, 300));
    await until("the second's variants", async () => (await whereIs(second)).slice(1).every((spot) => spot === "here"));
    expect((await whereIs(second))[0]).toBe("site");

    await setCloudMedia(hub.database, plan.tenant, "all");
    await until("the second's original", async () => (await whereIs(second))[0] === "here");
    await until("the edge knows", async () => (await edge.daemon.monitor.status()).media.toSend === 0);
    expect(await hubFiles()).toBe(6);
  });

  it("F-H6 F-H9 D7 go on where they were when the link is cut in the middle; until then the row is usable and the bytes are awaited", async () => {
    edge.wire.cut();
    const bytes = picture(800, 500);
    const id = await store(bytes);
    await until(
      "the edge sees that its link is gone",
      async () => (await edge.daemon.monitor.status()).peers[0]?.connected === false,
    );
    edge.wire.open();
    const sent = "media_transfers where variant = 'original' and state <> 'done' and sent_bytes between 1 and total_bytes - 1";
    await until("the middle of the original", async () => (await countOf(edge.database, sent)) === 1);
    edge.wire.cut();
    expect(await whereIs(id)).toEqual(["awaited", "here", "here"]);
    expect((await atHub(id)).status).toBe(404);
    expect(await countOf(hub.database, "media_objects where id = $1::uuid", [id])).toBe(1);
    expect((await edge.daemon.monitor.status()).media.toSend).toBe(1);
    edge.wire.open();
    await until("the original", async () => (await whereIs(id))[0] === "here");
    expect(Buffer.from(await (await atHub(id)).arrayBuffer()).equals(bytes)).toBe(true);
  });

  it("F-H7 T-C9 P-C9 are taken from the node that may speak for their barn alone, and never other bytes than the row says", async () => {
    await setCloudMedia(hub.database, plan.tenant, "none");
    await until("the edge knows", async () => (await countOf(edge.database, "tenants where cloud_media = 'none'")) === 1);
    const bytes = picture(64, 64);
    const id = await store(bytes);
    await until("the row", async () => (await whereIs(id))[0] === "site");
    const other = planFarm("t-other", "f-other", 1);
    await enterFarm(hub.database, other);
    const stranger = await enrolled({ tenant: other.tenant });
    const narrow = await enrolled({ tenant: plan.tenant, barns: [secondBarn.barn] });
    const own = edge.daemon.identity;
    const path = `/api/v1/media/upload?media_id=${id}&variant=original`;
    const send = async (as: NodeIdentity, tenant: string, body: Buffer | null, sign = as): Promise<number> => {
      const challenge = challengeOf((await fetch(`${hub.url}${path}`, { method: "HEAD" })).headers.get("www-authenticate") ?? "");
      const method = body === null ? "HEAD" : "PATCH";
      const offset = body === null ? "" : "0";
      const proof = { challenge: challenge ?? "", node: as.nodeId, tenant, method, path, offset, checksum: "" };
      const chunk = { "content-type": "application/offset+octet-stream", "upload-offset": "0" };
      const headers = { authorization: proveRequest(sign, proof), ...(body === null ? {} : chunk) };
      return (await fetch(`${hub.url}${path}`, { method, headers, body: body === null ? null : new Uint8Array(body) })).status;
    };
    expect(await send(own, plan.tenant, bytes)).toBe(404);
    edge.wire.cut();
    await requestMedia(hub.database, { tenant: plan.tenant, id, variant: "original", person: "ada" });
    expect(await send(stranger, other.tenant, bytes)).toBe(404);
    expect(await send(stranger, plan.tenant, bytes)).toBe(401);
    expect(await send(own, plan.tenant, bytes, stranger)).toBe(401);
    expect(await send(narrow, plan.tenant, bytes)).toBe(404);
    const altered = Buffer.from(bytes);
    altered[50] = (altered[50] ?? 0) ^ 1;
    expect(await send(own, plan.tenant, Buffer.concat([bytes, bytes]))).toBe(413);
    expect(await send(own, plan.tenant, altered)).toBe(460);
    expect((await whereIs(id))[0]).toBe("asked");
    expect(await send(own, plan.tenant, bytes)).toBe(204);
    expect((await whereIs(id))[0]).toBe("here");
    edge.wire.open();
  });

  it("D7 do not delay rows: while images move, a row is at the hub within seconds", async () => {
    const images = await Promise.all(Array.from({ length: 3 }, async () => await store(picture(800, 500))));
    await setCloudMedia(hub.database, plan.tenant, "all");
    await until("a transfer runs", async () => (await countOf(edge.database, "media_transfers where state = 'running'")) > 0);
    const delays: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const [id, atMs] = [newId(), performance.now()];
      await edge.daemon.replica.write(async (db) => {
        const row = {
          tenant_id: plan.tenant,
          id,
          farm_id: plan.farm,
          barn_id: place.barn_id,
          occurred_at: new Date(),
          animal_count: 1,
        };
        await db.insertInto("barn_mortality_event").values(row).execute();
      });
      await until("the row", async () => (await countOf(hub.database, "barn_mortality_event where id = $1::uuid", [id])) === 1);
      delays.push(performance.now() - atMs);
    }
    expect(Math.max(...delays)).toBeLessThan(5_000);
    for (const id of images) await until("the image", async () => (await whereIs(id))[0] === "here", 60_000);
  });
});

describe("the device simulator", () => {
  it("S2.3 T-C15 brings the images of its sessions before it announces them: each is bound to its session", async () => {
    const farm = startSimulatedFarm({
      plan: { ...plan, barns: [barn] },
      broker: { url: edge.daemon.mqttUrl },
      mediaUrl: edge.daemon.httpUrl,
      sessionEveryMs: 1_000,
    });
    await until("two sessions with their images", () => farm.ledger.storedImages.size >= 4);
    expect(await farm.stop()).toBe(0);
    const ids = [...farm.ledger.storedImages].join(",");
    const of = "id = any(string_to_array($1, ',')::uuid[])";
    await edge.drained();
    expect(await countOf(hub.database, `media_objects where ${of} and weight_session_id is not null`, [ids])).toBe(
      farm.ledger.storedImages.size,
    );
    const bound = "session_media_bindings where is_bound and media_object_id = any(string_to_array($1, ','))";
    expect(await countOf(hub.database, bound, [ids])).toBe(farm.ledger.storedImages.size);
  });
});

describe("an edge that is killed in the middle of an upload", () => {
  it("F-H6 keeps what came; the device goes on where it was, and the image is complete and at the hub", async () => {
    await edge.stop();
    const [mqttPort, httpPort] = [await freePort(), await freePort()];
    const base = `http://127.0.0.1:${httpPort}`;
    const args = [edgeProgram, "run", "--data-dir", edge.dataDir, "--hub-url", edge.wire.url, "--broker-port", String(mqttPort)];
    const more = ["--broker-anonymous", "--http-port", String(httpPort), "--log-level", "warn", "--media-disk-free-mb-min", "0"];
    const start = async (): Promise<ChildProgram> => {
      const program = new ChildProgram([...args, ...more]);
      await program.ready(base);
      return program;
    };
    let program = await start();
    const bytes = picture(700, 600);
    const { id, key, path } = await presign(base);
    const url = `${base}${path}`;
    expect(await patch(url, 0, bytes.subarray(0, 200_000))).toBe(204);
    // The next part is under way when the process dies: the device hears no answer.
    const headers = { "content-type": "application/offset+octet-stream", "upload-offset": "200000" };
    const call = request(url, { method: "PATCH", headers });
    const cut = new Promise<string>((resolve) => {
      call.on("response", () => resolve("answered"));
      call.on("error", () => resolve("cut"));
    });
    call.write(bytes.subarray(200_000, 350_000));
    await until("bytes are on disk", async () => (await uploadSizes()).some((size) => size > 200_000));
    await program.end("SIGKILL");
    expect(await cut).toBe("cut");
    program = await start();
    const offset = await offsetOf(url);
    expect(offset).toBeGreaterThanOrEqual(200_000);
    expect(await patch(url, offset, bytes.subarray(offset))).toBe(204);
    const done = { object_key: key, mime_type: "image/png", sha256: sha256(bytes), size_bytes: bytes.length };
    expect(await post(base, "complete", done)).toMatchObject({ media_id: id });
    await until("the image is at the hub", async () => (await whereIs(id))[0] === "here", 60_000);
    expect(await post(base, "complete", done)).toMatchObject({ media_id: id });
    await program.end("SIGTERM");
    expect(await countOf(hub.database, "media_objects where object_key = $1", [key])).toBe(1);
  });
});

async function uploadSizes(): Promise<readonly number[]> {
  const spot = join(edge.dataDir, "media/uploads");
  return await Promise.all((await readdir(spot)).map(async (name) => (await stat(join(spot, name))).size));
}
