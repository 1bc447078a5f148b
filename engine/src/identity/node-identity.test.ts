import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadIdentity, saveIdentity } from "./identity-file.ts";
import { createIdentity, verifySignature } from "./node-identity.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hayloft-identity-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("an identity", () => {
  it("comes back from its file, which only its owner may read, and signs as before", () => {
    const file = join(directory, "identity.json");
    const made = createIdentity({ tier: "edge", tenant: "t1" });
    writeFileSync(file, "an older one", { mode: 0o644 });
    saveIdentity(file, made);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const loaded = loadIdentity(file);
    expect([loaded.nodeId, loaded.tier, loaded.tenant]).toEqual([made.nodeId, "edge", "t1"]);
    const bytes = new TextEncoder().encode("hay");
    expect(verifySignature(made.publicKey, bytes, loaded.sign(bytes))).toBe(true);
    expect(verifySignature(made.publicKey, new TextEncoder().encode("straw"), loaded.sign(bytes))).toBe(false);
    expect(verifySignature(createIdentity({ tier: "edge", tenant: "t1" }).publicKey, bytes, loaded.sign(bytes))).toBe(false);
  });

  it("is refused when any part of its file is damaged, and the error does not show the key", () => {
    const file = join(directory, "identity.json");
    const made = createIdentity({ tier: "edge", tenant: "t1" });
    saveIdentity(file, made);
    const whole = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    const key = String(whole["privateKey"]);
    const damaged = [
      "",
      "{",
      key,
      "[]",
      "null",
      ...["nodeId", "tier", "tenant", "privateKey"].map((part) => JSON.stringify({ ...whole, [part]: undefined })),
      JSON.stringify({ ...whole, nodeId: "not-a-uuid" }),
      JSON.stringify({ ...whole, privateKey: key.slice(0, 20) }),
      JSON.stringify({ ...whole, privateKey: Buffer.from("nonsense").toString("base64") }),
    ];
    for (const text of damaged) {
      writeFileSync(file, text);
      let caught: unknown = null;
      try {
        loadIdentity(file);
      } catch (error) {
        caught = error;
      }
      expect(caught, text).toMatchObject({ code: "identity-invalid" });
      expect(`${String(caught)} ${JSON.stringify(caught)}`).not.toContain(key.slice(0, 20));
    }
    expect(() => loadIdentity(join(directory, "missing.json"))).toThrow(/identity-invalid/u);
  });

  it("a public key or signature of the wrong length verifies nothing", () => {
    const { publicKey } = createIdentity({ tier: "edge", tenant: "t1" });
    expect(verifySignature(new Uint8Array(3), new Uint8Array(1), new Uint8Array(64))).toBe(false);
    expect(verifySignature(publicKey, new Uint8Array(1), new Uint8Array(3))).toBe(false);
    expect(verifySignature(new Uint8Array(32), new Uint8Array(1), new Uint8Array(64))).toBe(false);
  });
});
