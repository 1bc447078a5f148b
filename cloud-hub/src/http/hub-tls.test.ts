import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { openReplica } from "@hayloft/engine";
import { freshPglite } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createToken } from "../admin/tokens.ts";
import { enrolNode } from "../enrol/enrol-node.ts";
import { createIdentity, identityFromRecord } from "@hayloft/engine";
import { startHub } from "../hub/start-hub.ts";
import { testCertificate, testCertificateKey } from "../testing/test-certificate.ts";
import type { TestHub } from "../testing/test-hub.ts";
import { base64url, createTestFarm, startTestHub } from "../testing/test-hub.ts";
import { waitFor } from "../testing/wait-for.ts";

let directory: string;
let hub: TestHub;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "hub-tls-"));
  writeFileSync(path.join(directory, "cert.pem"), testCertificate);
  writeFileSync(path.join(directory, "key.pem"), testCertificateKey, { mode: 0o600 });
  hub = await startTestHub({
    "http.tls_cert_file": path.join(directory, "cert.pem"),
    "http.tls_key_file": path.join(directory, "key.pem"),
  });
  await createTestFarm(hub.database, "t-1");
});

afterAll(async () => {
  await hub.end();
  rmSync(directory, { recursive: true });
});

describe("a hub with TLS", () => {
  it("serves HTTPS and tells nodes a wss address", async () => {
    expect([hub.url, hub.syncUrl]).toEqual([expect.stringMatching(/^https:/), expect.stringMatching(/^wss:.*\/sync$/)]);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      get(`${hub.url}/api/health`, { ca: testCertificate }, (response) => resolve(response.resume().statusCode)).on(
        "error",
        reject,
      );
    });
    expect(status).toBe(200);
    await expect(fetch(`${hub.url.replace("https", "http")}/api/health`)).rejects.toThrow();
  });

  it("carries a session that trusts its certificate, and none that does not", async () => {
    const { token } = await createToken(
      hub.database,
      { tenant: "t-1", tier: "edge", role: "device_agent", ttlMs: 60_000 },
      Date.now(),
    );
    const pending = createIdentity({ tier: "edge", tenant: null });
    const { nodeId } = await enrolNode(
      hub.database,
      { token, publicKey: base64url(pending.publicKey), name: "edge", tier: "edge" },
      Date.now(),
    );
    const identity = identityFromRecord({ ...pending.toRecord(), nodeId, tenant: "t-1" });
    const database = await freshPglite(preparedFarm("edge"));
    const parent = { url: hub.syncUrl, node: hub.nodeId, publicKey: hub.publicKey };
    const open = async (ca: { readonly ca?: string }) =>
      await openReplica({ catalog: farmCatalog, migrations: farmMigrations, database, identity, parent: { ...parent, ...ca } });
    const trusting = await open({ ca: testCertificate });
    await waitFor(
      "the barn",
      async () => (await database.query("select 1 from barns where id = 't-1-b'")).rows.length === 1,
      30_000,
    );
    await trusting.close();
    const suspicious = await open({});
    await waitFor(
      "a refusal",
      async () => (await suspicious.status()).peers.some((peer) => peer.lastError?.code === "unavailable"),
      30_000,
    );
    await waitFor("the end of the first session", () => hub.replica.children().length === 0);
    await suspicious.close();
    await database.close();
  });

  it("refuses a key that does not belong to the certificate, and leaves nothing running", async () => {
    writeFileSync(path.join(directory, "wrong.pem"), "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n");
    const settings = {
      "http.port": 0,
      "http.tls_cert_file": path.join(directory, "cert.pem"),
      "http.tls_key_file": path.join(directory, "wrong.pem"),
    };
    await expect(startHub(settings, { databaseUrl: hub.databaseUrl })).rejects.toMatchObject({ code: "config-invalid" });
  });
});
