import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { grantText, newId } from "@hayloft/engine";
import { imageKind, takeImage } from "@hayloft/engine/image";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { afterAll, beforeAll, expect, it } from "vitest";
import { grantNode } from "../admin/nodes.ts";
import { setTenantStatus } from "../admin/tenants.ts";
import { createReplacementToken, createToken } from "../admin/tokens.ts";
import { hubCommandHere } from "../testing/hub-command.ts";
import { createTestFarm, enrolTestNode, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { waitFor } from "../testing/wait-for.ts";
import { expectedGrants, hasRows, presentNodes } from "./wanted-grants.ts";

const ROWS_MIN = 20;
let directory: string;
let hub: TestHub;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "hub-images-"));
  hub = await startTestHub({
    "images.rows_min": ROWS_MIN,
    "images.tail_rows_max": ROWS_MIN,
    "images.dir": path.join(directory, "shelf"),
  });
  for (const tenant of ["t-a", "t-b", "t-c", "t-d"]) await createTestFarm(hub.database, tenant);
});
afterAll(async () => {
  await hub.end();
  await rm(directory, { recursive: true, force: true });
});

/** `image list`, as an operator runs it. */
async function imageList(): Promise<readonly unknown[]> {
  const url = new URL(hub.databaseUrl);
  await writeFile(path.join(directory, "password"), url.password, { mode: 0o600 });
  url.password = "";
  const config = [
    "database:",
    `  url: ${url.href}`,
    `  password_file: ${path.join(directory, "password")}`,
    "images:",
    `  dir: ${path.join(directory, "shelf")}`,
    `  tail_rows_max: ${String(ROWS_MIN)}`,
  ];
  await writeFile(path.join(directory, "hub.yaml"), config.join("\n"));
  const { code, out, err } = await hubCommandHere(["--config", path.join(directory, "hub.yaml"), "image", "list", "--json"]);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as readonly unknown[];
}

const tokenOf = async (tenant: string, more: { readonly tier?: "edge" | "tablet"; readonly barns?: readonly string[] } = {}) =>
  await createToken(hub.database, { tenant, tier: "edge", role: "device_agent", ttlMs: 60_000, ...more }, Date.now());

it("images are wanted for the grants of edges' tokens that can still be used, and may be had by nodes that are active", async () => {
  const all = (tenant: string): string => grantText({ tenant, tier: "edge", scopes: {} });
  const ofBarn = grantText({ tenant: "t-a", tier: "edge", scopes: { farm: ["t-a-f"], barn: ["t-a-b"] } });
  const expected = async (atMs = Date.now()): Promise<readonly string[]> =>
    (await expectedGrants(hub.database, atMs)).map(grantText);
  await tokenOf("t-a", { tier: "tablet" });
  await tokenOf("t-b");
  const { id } = await tokenOf("t-c");
  await tokenOf("t-a", { barns: ["t-a-b"] });
  const node = await enrolTestNode(hub, "t-a");
  expect(await expected()).toEqual([ofBarn, all("t-c"), all("t-b")]);
  expect(await expected(Date.now() + 120_000)).toEqual([]);
  await hub.database.query("update enrolment_tokens set is_revoked = true where id = $1", [id]);
  await setTenantStatus(hub.database, "t-b", "suspended");
  expect(await expected()).toEqual([ofBarn]);
  await createReplacementToken(hub.database, { node: node.nodeId, ttlMs: 60_000 }, Date.now());
  // The grant is the one that the old node has when the new one comes.
  await grantNode(hub.database, node.nodeId, { farms: ["t-a-f"], barns: [] });
  const changed = grantText({ tenant: "t-a", tier: "edge", scopes: { farm: ["t-a-f"] } });
  expect(await expected()).toEqual([changed, ofBarn]);
  expect((await presentNodes(hub.database)).map(({ grant }) => grantText(grant))).toEqual([changed]);
});

it("for a tenant with few rows none is made", async () => {
  expect(await hasRows(hub.database, "t-a", 1)).toBe(true);
  expect(await hasRows(hub.database, "t-a", 1_000)).toBe(false);
  await hub.images.tend();
  expect(await hub.images.figures()).toEqual({ kept: 0, bytes: 0, sending: 0 });
  expect(hub.events.filter(({ event }) => event.startsWith("image-") || event === "job-failed")).toEqual([]);
});

it("an image asked for in vain is made for whoever asks next, if the tenant had rows enough then; one that is too old is made anew", async () => {
  const identity = await enrolTestNode(hub, "t-d");
  const url = new URL(`${hub.url}/api/v1/image`);
  const parent = { url, identity, tenant: "t-d", node: hub.nodeId, publicKey: hub.publicKey };
  const ask = async (place: string) =>
    await takeImage(path.join(directory, place), parent, {
      kind: imageKind(farmCatalog, farmMigrations),
      tier: "edge",
      bytesMax: 2 ** 32,
      signal: AbortSignal.timeout(60_000),
    });
  const addRows = async (): Promise<unknown> =>
    await hub.database.query(
      `insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count)
       select 't-d', id::uuid, 't-d-f', 't-d-b', now(), 1 from unnest($1::text[]) as id`,
      [Array.from({ length: ROWS_MIN + 5 }, () => newId())],
    );
  const made = (): number => hub.events.filter(({ event }) => event === "image-made").length;
  const missing = { code: "not-found" };

  await expect(ask("new")).rejects.toMatchObject(missing);
  // Rows came after the first node, which brought them: nobody else has asked.
  await addRows();
  await hub.images.tend();
  expect([made(), await imageList()]).toEqual([0, []]);

  await expect(ask("again")).rejects.toMatchObject(missing);
  await hub.images.tend();
  // The hub's own job may be at it already.
  await waitFor("the image", () => made() === 1);
  const listed = { tenant: "t-d", scopes: {}, nodes: ["t-d edge"], tokens: 0 };
  expect([made(), await imageList()]).toEqual([
    1,
    [
      {
        ...listed,
        state: "fresh",
        rows_behind: 0,
        size_mb: expect.any(Number) as number,
        made_at: expect.any(String) as string,
        wanted_at: expect.any(String) as string,
      },
    ],
  ]);

  await addRows();
  expect(await imageList()).toMatchObject([{ ...listed, state: "stale", rows_behind: ROWS_MIN + 5 }]);
  // It does for who has it already; for a box that is still to come it is made anew, once.
  await hub.images.tend();
  expect(made()).toBe(1);
  await tokenOf("t-d");
  await hub.images.tend();
  await waitFor("the new image", () => made() === 2);
  await hub.images.tend();
  expect([made(), await imageList()]).toMatchObject([2, [{ ...listed, tokens: 1, state: "fresh", rows_behind: 0 }]]);
  await ask("taken");
  const database = await openPgliteDatabase({ dataDir: path.join(directory, "taken"), durable: false });
  const { rows } = await database.query("select count(*) as count from barn_mortality_event");
  expect(rows).toEqual([{ count: 2 * (ROWS_MIN + 5) }]);
  await database.close();

  await setTenantStatus(hub.database, "t-d", "suspended");
  expect(await imageList()).toMatchObject([{ tenant: "t-d", state: "useless", nodes: [] }]);
  expect(hub.events.filter(({ event }) => event === "image-failed" || event === "job-failed")).toEqual([]);
}, 240_000);
