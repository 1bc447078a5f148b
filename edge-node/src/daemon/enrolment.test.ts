import { chmod, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { temporaryDirectory } from "../testing/edge-fixture.ts";
import { enrol, loadEnrolledIdentity, readEnrolment } from "./enrolment.ts";

interface Asked {
  readonly token: string;
  readonly publicKey: string;
  readonly name: string;
  readonly tier: string;
}

let hub: Server;
let hubUrl: string;
let asked: Asked[] = [];
let reply: () => { readonly status: number; readonly body: string };

const answer = (): Record<string, unknown> => ({
  nodeId: "018f0000-0000-7000-8000-000000000001",
  tenant: "t-1",
  hubNode: newId(),
  hubPublicKey: "A".repeat(43),
  syncUrl: "ws://127.0.0.1:1/sync",
  role: "edge",
  scopes: { farm: ["f-1"] },
});

beforeAll(async () => {
  hub = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      asked.push(JSON.parse(text) as Asked);
      const { status, body } = reply();
      if (status === 0) response.destroy();
      else response.writeHead(status, { "content-type": "application/json" }).end(body);
    });
  });
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  hubUrl = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
});
afterAll(() => hub.close());
beforeEach(() => {
  asked = [];
  reply = () => ({ status: 200, body: JSON.stringify(answer()) });
});

it("stores key and hub with owner-only files, and asks the hub once", async () => {
  const directory = await temporaryDirectory();
  const request = { dataDir: path.join(directory.path, "data"), hubUrl, token: "token-1", name: "barn 1" };
  const { enrolment, fresh } = await enrol(request);
  expect(fresh).toBe(true);
  expect(enrolment).toMatchObject({ tenant: "t-1", hubUrl, role: "edge" });
  const identity = loadEnrolledIdentity(request.dataDir, enrolment);
  expect(identity).toMatchObject({ nodeId: enrolment.nodeId, tenant: "t-1", tier: "edge" });
  expect(asked).toEqual([
    { token: "token-1", name: "barn 1", tier: "edge", publicKey: Buffer.from(identity.publicKey).toString("base64url") },
  ]);
  for (const name of ["identity.json", "enrolment.json"])
    expect((await stat(path.join(request.dataDir, name))).mode & 0o777).toBe(0o600);
  expect((await enrol(request)).fresh).toBe(false);
  expect(asked).toHaveLength(1);
  await directory.remove();
});

it("tries again with the same key after an answer that was lost", async () => {
  const directory = await temporaryDirectory();
  const request = { dataDir: directory.path, hubUrl, token: "token-2", name: "barn 2" };
  reply = () => ({ status: 0, body: "" });
  await expect(enrol(request)).rejects.toMatchObject({ code: "unavailable" });
  reply = () => ({ status: 200, body: JSON.stringify(answer()) });
  await enrol(request);
  expect(asked.map((item) => item.publicKey)).toEqual([asked[0]?.publicKey, asked[0]?.publicKey]);
  await directory.remove();
});

it.each([
  ["a used token", 409, '{"error":{"code":"token-invalid"}}', "token-invalid"],
  ["a hub in trouble", 503, "{}", "unavailable"],
  ["an answer that is no JSON", 200, "<html>", "unavailable"],
  ["an answer without a key", 200, JSON.stringify({ ...answer(), hubPublicKey: undefined }), "unavailable"],
  ["a sync address that is none", 200, JSON.stringify({ ...answer(), syncUrl: "ftp://x" }), "unavailable"],
])("stores nothing after %s, and says what is wrong", async (_name, status, body, code) => {
  const directory = await temporaryDirectory();
  reply = () => ({ status, body });
  const error = await enrol({ dataDir: directory.path, hubUrl, token: "secret-token", name: "x" }).catch(
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain("secret-token");
  expect(await readEnrolment(directory.path)).toBeNull();
  await directory.remove();
});

it("a damaged enrolment, or a key that is not its own, is refused", async () => {
  const directory = await temporaryDirectory();
  const { enrolment } = await enrol({ dataDir: directory.path, hubUrl, token: "t", name: "x" });
  expect(() => loadEnrolledIdentity(directory.path, { ...enrolment, tenant: "other" })).toThrow("identity-invalid");
  await chmod(path.join(directory.path, "enrolment.json"), 0o600);
  await writeFile(path.join(directory.path, "enrolment.json"), "{");
  await expect(readEnrolment(directory.path)).rejects.toMatchObject({ code: "identity-invalid" });
  await directory.remove();
});
