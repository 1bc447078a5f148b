import { connect } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createIdentity } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createToken } from "../admin/tokens.ts";
import type { TestHub } from "../testing/test-hub.ts";
import { base64url, createTestFarm, postEnrol, startTestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let directory: string;

const newKey = (): string => base64url(createIdentity({ tier: "edge", tenant: null }).publicKey);
const newToken = async (): Promise<string> =>
  (await createToken(hub.database, { tenant: "t-1", tier: "edge", role: "device_agent", ttlMs: 60_000 }, Date.now())).token;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "hub-http-"));
  const tokenFile = path.join(directory, "admin-token");
  writeFileSync(tokenFile, "s3cret-admin\n");
  hub = await startTestHub({ "http.admin_token_file": tokenFile });
  await createTestFarm(hub.database, "t-1");
});

afterAll(async () => {
  await hub.end();
  rmSync(directory, { recursive: true });
});

describe("POST /api/v1/enrol", () => {
  it("answers with everything a node needs, and the same again for the same token and key", async () => {
    const body = { token: await newToken(), publicKey: newKey(), name: "barn box", tier: "edge" };
    const first = await postEnrol(hub.url, body);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      nodeId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      tenant: "t-1",
      role: "device_agent",
      scopes: {},
      hubNode: hub.nodeId,
      hubPublicKey: base64url(hub.publicKey),
      syncUrl: hub.syncUrl,
      replaces: null,
    });
    expect(await postEnrol(hub.url, body)).toEqual(first);
    const other = await postEnrol(hub.url, { ...body, publicKey: newKey() });
    expect(other.status).toBe(401);
    expect(other.body).toEqual({
      error: { code: "token-invalid", message: expect.stringContaining("Make a new token"), traceId: expect.any(String) },
    });
  });

  it.each<readonly [string, unknown, string]>([
    ["no token", { publicKey: "x", name: "n", tier: "edge" }, "token"],
    ["a token that is no text", { token: 5 }, "token"],
    ["a huge token", { token: "x".repeat(300) }, "token"],
    ["no key", { token: "x" }, "publicKey"],
    ["a short key", { token: "x", publicKey: "abc", name: "n", tier: "edge" }, "publicKey"],
    ["a key in the wrong alphabet", { token: "x", publicKey: `${"A".repeat(42)}+`, name: "n", tier: "edge" }, "publicKey"],
    ["an empty name", { token: "x", publicKey: newKey(), name: " ", tier: "edge" }, "name"],
    ["a name with control characters", { token: "x", publicKey: newKey(), name: "a\u001b[2J", tier: "edge" }, "name"],
    ["a tier that is no name", { token: "x", publicKey: newKey(), name: "n", tier: "../" }, "tier"],
    ["a list", [], "body"],
    ["null", null, "body"],
    ["a name of the language", { __proto__: null, token: { toString: 1 } }, "token"],
  ])("refuses %s and names the part, not its value", async (_what, body, part) => {
    const { status, body: answer } = await postEnrol(hub.url, body);
    expect(status).toBe(400);
    expect(answer).toMatchObject({
      error: { code: "request-invalid", message: expect.stringMatching(new RegExp(`part=(${part}|token|body)`)) },
    });
  });

  it("refuses what is not JSON, another content type, and a body above the limit", async () => {
    const post = async (body: string, type = "application/json") =>
      (await fetch(`${hub.url}/api/v1/enrol`, { method: "POST", headers: { "content-type": type }, body })).status;
    expect(await post("{")).toBe(400);
    expect(await post("")).toBe(400);
    expect(await post("{}", "text/plain")).toBe(400);
    expect(await post(JSON.stringify({ token: "x".repeat(20_000) }))).toBe(413);
  });

  it("limits the attempts of one address and says when to come back", async () => {
    const limited = await startTestHub({ "enrol.attempts_per_minute": 3 });
    const body = { token: "hlt_wrong", publicKey: newKey(), name: "n", tier: "edge" };
    const answers = [];
    for (let index = 0; index < 4; index++) answers.push((await postEnrol(limited.url, body)).status);
    expect(answers).toEqual([401, 401, 401, 429]);
    const response = await fetch(`${limited.url}/api/v1/enrol`, { method: "POST", body: "{}" });
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    await limited.end();
  });

  it("logs attempts with address and outcome, and never a token", async () => {
    const token = await newToken();
    await postEnrol(hub.url, { token, publicKey: newKey(), name: "n", tier: "edge" });
    await postEnrol(hub.url, { token: "hlt_guess", publicKey: newKey(), name: "n", tier: "edge" });
    const outcomes = hub.events.filter((event) => event.event === "enrolment").map((event) => event.details["outcome"]);
    expect(outcomes).toContain("enrolled");
    expect(outcomes).toContain("token-invalid");
    expect(JSON.stringify(hub.events)).not.toContain(token);
    expect(JSON.stringify(hub.events)).not.toContain("hlt_guess");
  });
});

describe("the HTTP interface", () => {
  const get = async (what: string, headers: Record<string, string> = {}) => await fetch(`${hub.url}${what}`, { headers });
  const admin = { authorization: "Bearer s3cret-admin" };

  it("answers health and readiness to everybody", async () => {
    expect(await (await get("/api/health")).json()).toMatchObject({ status: "ok" });
    const ready = await get("/api/ready");
    expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", reason: null }]);
  });

  it.each(["/metrics", "/api/v1/nodes"])("gives %s to the administrator only", async (what) => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: "Basic s3cret-admin" },
      { authorization: "s3cret-admin" },
    ]) {
      const refused = await get(what, headers);
      expect(refused.status).toBe(401);
      expect(await refused.json()).toMatchObject({ error: { code: "unauthorized" } });
    }
    expect((await get(what, admin)).status).toBe(200);
  });

  it("S14.1 S14.7 metrics show readiness, the pool, and each node's contact state", async () => {
    await postEnrol(hub.url, { token: await newToken(), publicKey: newKey(), name: "n", tier: "edge" });
    const text = await (await get("/metrics", admin)).text();
    expect(text).toContain("hub_ready 1");
    expect(text).toMatch(/db_pool_max \d+/);
    expect(text).toMatch(/sync_nodes\{state="never"\} [1-9]/);
    expect(text).toMatch(/sync_node_lag_commits\{tenant="t-1",node="[0-9a-f-]{36}"\} \d+/);
    const nodes = (await (await get("/api/v1/nodes?tenant=t-1", admin)).json()) as { nodes: readonly { contact: string }[] };
    expect(nodes.nodes[0]?.contact).toBe("never");
    expect(await (await get("/api/v1/nodes?tenant=t-9", admin)).json()).toEqual({ nodes: [] });
  });

  it("answers unknown paths and methods with the error body, and repeats a given trace id", async () => {
    const missing = await get("/nothing", { "x-request-id": "trace-1" });
    expect([missing.status, missing.headers.get("x-request-id")]).toEqual([404, "trace-1"]);
    expect(await missing.json()).toEqual({ error: { code: "not-found", message: expect.any(String), traceId: "trace-1" } });
    const forged = await get("/nothing", { "x-request-id": "a b<script>" });
    expect(forged.headers.get("x-request-id")).not.toContain("script");
    const method = await fetch(`${hub.url}/api/ready`, { method: "DELETE" });
    expect([method.status, method.headers.get("allow")]).toEqual([405, "GET"]);
  });

  it("F-B10 closes a connection whose headers do not come", { timeout: 15_000 }, async () => {
    const { hostname, port } = new URL(hub.url);
    const socket = connect(Number(port), hostname);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.write("POST /api/v1/enrol HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    socket.resume();
    const startedMs = performance.now();
    await closed;
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});
