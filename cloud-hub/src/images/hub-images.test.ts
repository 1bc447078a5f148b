import { grantText } from "@hayloft/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import { grantNode } from "../admin/nodes.ts";
import { setTenantStatus } from "../admin/tenants.ts";
import { createReplacementToken, createToken } from "../admin/tokens.ts";
import { createTestFarm, enrolTestNode, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { expectedGrants, hasRows, presentGrants } from "./wanted-grants.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
  for (const tenant of ["t-a", "t-b", "t-c"]) await createTestFarm(hub.database, tenant);
});
afterAll(async () => await hub.end());

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
  expect((await presentGrants(hub.database)).map(grantText)).toEqual([changed]);
});

it("for a tenant with few rows none is made", async () => {
  expect(await hasRows(hub.database, "t-a", 1)).toBe(true);
  expect(await hasRows(hub.database, "t-a", 1_000)).toBe(false);
  await hub.images.tend();
  expect(await hub.images.figures()).toEqual({ kept: 0, bytes: 0, sending: 0 });
  expect(hub.events.filter(({ event }) => event.startsWith("image-") || event === "job-failed")).toEqual([]);
});
