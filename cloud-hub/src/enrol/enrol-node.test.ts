import { createIdentity, newId } from "@hayloft/engine";
import type { Database } from "@hayloft/engine";
import { freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grantNode, revokeNode } from "../admin/nodes.ts";
import { createBarn, createFarm } from "../admin/places.ts";
import { createTenant, setTenantStatus } from "../admin/tenants.ts";
import { createReplacementToken, createToken } from "../admin/tokens.ts";
import { prepareDatabase } from "../hub/prepare-database.ts";
import { enrolNode } from "./enrol-node.ts";

const nowMs = Date.UTC(2026, 10, 23);
const hourMs = 3_600_000;
const newKey = (): string => Buffer.from(createIdentity({ tier: "edge", tenant: null }).publicKey).toString("base64url");

let database: Database;

beforeAll(async () => {
  database = await freshPostgres();
  await prepareDatabase(database, null);
  await createTenant(database, { id: "t-1", name: "One" });
  await createFarm(database, { tenant: "t-1", id: "f-1", name: "Farm" });
  await createBarn(database, { tenant: "t-1", farm: "f-1", id: "b-1", name: "Barn" });
});

afterAll(async () => await database.close());

const edgeToken = async (more: { readonly barns?: readonly string[]; readonly ttlMs?: number } = {}) =>
  await createToken(database, { tenant: "t-1", tier: "edge", role: "device_agent", ttlMs: hourMs, ...more }, nowMs);

const attempt = async (token: string, publicKey: string, atMs = nowMs, tier = "edge") =>
  await enrolNode(database, { token, publicKey, name: "edge", tier }, atMs);

describe("enrolNode", () => {
  it("registers the node with the token's tenant, role and scopes, and stores only the token's hash", async () => {
    const { token } = await edgeToken({ barns: ["b-1"] });
    const publicKey = newKey();
    const node = await attempt(token, publicKey);
    expect(node).toMatchObject({ tenant: "t-1", role: "device_agent", scopes: { farm: ["f-1"], barn: ["b-1"] } });
    const { rows } = await database.query("select tier, status, public_key, scopes from replica_node where id = $1", [
      node.nodeId,
    ]);
    expect(rows).toEqual([{ tier: "edge", status: "active", public_key: publicKey, scopes: { farm: ["f-1"], barn: ["b-1"] } }]);
    const stored = await database.query<{ text: string }>(
      "select string_agg(row_to_json(t)::text, '') as text from enrolment_tokens t",
    );
    expect(stored.rows[0]?.text).not.toContain(token);
    expect(stored.rows[0]?.text).not.toContain(token.slice(4));
  });

  it("gives the same node again for the same key, and nothing for another key", async () => {
    const { token } = await edgeToken();
    const publicKey = newKey();
    const first = await attempt(token, publicKey);
    expect(await attempt(token, publicKey, nowMs + hourMs - 1)).toEqual(first);
    await expect(attempt(token, newKey())).rejects.toMatchObject({ code: "token-invalid" });
    await expect(attempt(token, publicKey, nowMs + hourMs)).rejects.toMatchObject({ code: "token-invalid" });
  });

  it("lets exactly one of many nodes win that redeem one token at once", async () => {
    const { token } = await edgeToken();
    // Connections are opened first, so that the attempts really run side by side.
    await Promise.all(Array.from({ length: 8 }, async () => await database.query("select pg_sleep(0.1)")));
    const results = await Promise.allSettled(Array.from({ length: 8 }, async () => await attempt(token, newKey())));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    const { rows } = await database.query<{ count: number }>(
      "select count(*) as count from replica_node where id in (select used_by_node::uuid from enrolment_tokens where used_by_node is not null)",
    );
    const used = await database.query<{ count: number }>(
      "select count(*) as count from enrolment_tokens where used_at is not null",
    );
    expect(rows[0]?.count).toBe(used.rows[0]?.count);
  });

  it("answers unknown, used, expired and revoked tokens with one and the same error", async () => {
    const used = (await edgeToken()).token;
    await attempt(used, newKey());
    const expired = (await edgeToken({ ttlMs: 1 })).token;
    const revoked = await edgeToken();
    await database.query("update enrolment_tokens set is_revoked = true where id = $1", [revoked.id]);
    const tokens = ["", "x", `hlt_${newId()}`, used.toUpperCase(), `${used} `, "' or true --", used, revoked.token];
    const messages = new Set<string>();
    for (const token of [...tokens, expired]) {
      const error: unknown = await attempt(token, newKey(), token === expired ? nowMs + 1 : nowMs).catch(
        (thrown: unknown) => thrown,
      );
      messages.add(error instanceof Error ? error.message : "no error");
    }
    expect([...messages]).toHaveLength(1);
    expect([...messages][0]).toMatch(/^token-invalid: /);
  });

  it("refuses a revoked node the repetition of its enrolment", async () => {
    const { token } = await edgeToken();
    const publicKey = newKey();
    const node = await attempt(token, publicKey);
    await revokeNode(database, node.nodeId);
    await expect(attempt(token, publicKey)).rejects.toMatchObject({ code: "token-invalid" });
  });

  it("refuses another tier than the token's and leaves the token unused", async () => {
    const { token } = await edgeToken();
    await expect(attempt(token, newKey(), nowMs, "tablet")).rejects.toMatchObject({
      code: "request-invalid",
      details: { part: "tier" },
    });
    expect((await attempt(token, newKey())).tenant).toBe("t-1");
  });

  it("refuses to enrol into a suspended tenant and leaves the token unused", async () => {
    const { token } = await edgeToken();
    await setTenantStatus(database, "t-1", "suspended");
    await expect(attempt(token, newKey())).rejects.toMatchObject({ code: "tenant-suspended" });
    await setTenantStatus(database, "t-1", "active");
    expect((await attempt(token, newKey())).tenant).toBe("t-1");
  });
});

describe("a token that replaces a node", () => {
  const nodeRow = async (id: string) => {
    const { rows } = await database.query<{ status: string; scopes: unknown; role: string }>(
      "select status, scopes, role from replica_node where id = $1",
      [id],
    );
    return rows[0];
  };

  it("gives the grant that the old node has when it is used, and revokes it only then, once", async () => {
    const old = await attempt((await edgeToken()).token, newKey());
    const [first, second] = [
      await createReplacementToken(database, { node: old.nodeId, ttlMs: hourMs }, nowMs),
      await createReplacementToken(database, { node: old.nodeId.toUpperCase(), ttlMs: hourMs }, nowMs),
    ];
    expect(first).toMatchObject({ replaces: old.nodeId, tier: "edge", role: "device_agent", scopes: {} });
    expect(await nodeRow(old.nodeId)).toMatchObject({ status: "active" });
    await grantNode(database, old.nodeId, { farms: [], barns: ["b-1"] });
    const granted = { farm: ["f-1"], barn: ["b-1"] };
    const publicKey = newKey();
    const node = await attempt(first.token, publicKey);
    expect(node).toMatchObject({ tenant: "t-1", role: "device_agent", scopes: granted, replaces: old.nodeId });
    expect(await attempt(first.token, publicKey)).toEqual(node);
    expect(await nodeRow(old.nodeId)).toMatchObject({ status: "revoked" });
    expect(await nodeRow(node.nodeId)).toMatchObject({ status: "active", scopes: granted });
    await expect(attempt(second.token, newKey())).rejects.toMatchObject({ code: "token-invalid" });
    await expect(createReplacementToken(database, { node: old.nodeId, ttlMs: hourMs }, nowMs)).rejects.toMatchObject({
      code: "request-invalid",
    });
  });

  it("lets one of two boxes win that want the same place at once", async () => {
    const old = await attempt((await edgeToken()).token, newKey());
    const tokens = await Promise.all(
      [1, 2, 3].map(async () => await createReplacementToken(database, { node: old.nodeId, ttlMs: hourMs }, nowMs)),
    );
    const results = await Promise.allSettled(tokens.map(async ({ token }) => await attempt(token, newKey())));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  });

  it.each(["no-uuid", newId()])("is not made for a node that does not exist: %s", async (node) => {
    await expect(createReplacementToken(database, { node, ttlMs: hourMs }, nowMs)).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("createToken", () => {
  it.each<readonly [string, object, string]>([
    ["an unknown tenant", { tenant: "t-9" }, "not-found"],
    ["an unknown farm", { farms: ["f-9"] }, "not-found"],
    ["an unknown barn", { barns: ["b-9"] }, "not-found"],
    ["an unknown role", { role: "king" }, "not-found"],
    ["no time to live", { ttlMs: 0 }, "request-invalid"],
    ["too long a time to live", { ttlMs: 31 * 24 * hourMs }, "request-invalid"],
    ["a time to live that is no number", { ttlMs: Number.NaN }, "request-invalid"],
  ])("refuses %s", async (_what, more, code) => {
    const request = { tenant: "t-1", tier: "edge", role: "device_agent", ttlMs: hourMs, ...more } as const;
    await expect(createToken(database, request, nowMs)).rejects.toMatchObject({ code });
  });

  it("refuses a barn outside the given farms, and a farm of another tenant", async () => {
    await createFarm(database, { tenant: "t-1", id: "f-2", name: "Second" });
    const wrong = createToken(
      database,
      { tenant: "t-1", tier: "edge", role: "device_agent", ttlMs: hourMs, farms: ["f-2"], barns: ["b-1"] },
      nowMs,
    );
    await expect(wrong).rejects.toMatchObject({ code: "request-invalid" });
    await createTenant(database, { id: "t-2", name: "Two" });
    const foreign = createToken(
      database,
      { tenant: "t-2", tier: "edge", role: "device_agent", ttlMs: hourMs, farms: ["f-1"] },
      nowMs,
    );
    await expect(foreign).rejects.toMatchObject({ code: "not-found" });
  });
});
