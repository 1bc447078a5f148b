import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Database } from "@hayloft/engine";
import { verifySignature } from "@hayloft/engine";
import { freshPostgres } from "@hayloft/engine/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureHubTables } from "../database/hub-schema.ts";
import { ensureHubIdentity } from "./hub-identity.ts";

let database: Database;
let directory: string;

beforeEach(async () => {
  database = await freshPostgres();
  directory = mkdtempSync(path.join(tmpdir(), "hub-identity-"));
  await ensureHubTables(database);
});

afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true });
});

describe("ensureHubIdentity", () => {
  it("gives every process on one database the same node and key, also when they start at once", async () => {
    const several = await Promise.all([1, 2, 3].map(async () => await ensureHubIdentity(database, null)));
    expect(new Set(several.map((identity) => identity.nodeId)).size).toBe(1);
    const bytes = new Uint8Array([1, 2, 3]);
    const [first, second] = several;
    expect(verifySignature(first?.publicKey ?? new Uint8Array(), bytes, second?.sign(bytes) ?? new Uint8Array())).toBe(true);
  });

  it("keeps the key out of the database when a file is named, readable by its owner only", async () => {
    const file = path.join(directory, "hub.json");
    const made = await ensureHubIdentity(database, file);
    expect((await database.query("select private_key from hayloft_hub.identity")).rows).toEqual([{ private_key: null }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await ensureHubIdentity(database, file)).nodeId).toBe(made.nodeId);
  });

  it("refuses a key in the wrong place instead of making a second one", async () => {
    const file = path.join(directory, "hub.json");
    await ensureHubIdentity(database, null);
    await expect(ensureHubIdentity(database, file)).rejects.toMatchObject({ code: "identity-invalid" });
    await database.query("update hayloft_hub.identity set private_key = null");
    await expect(ensureHubIdentity(database, null)).rejects.toMatchObject({ code: "identity-invalid" });
    await expect(ensureHubIdentity(database, file)).rejects.toMatchObject({ code: "identity-invalid" });
  });
});
