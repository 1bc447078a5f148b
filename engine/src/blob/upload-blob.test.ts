import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isHayloftError } from "../error/hayloft-error.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { FileBlobStore } from "./file-blob-store.ts";
import { isProven, proveRequest, readProof, RequestChallenges } from "./request-proof.ts";
import { uploadBlob, type UploadPace } from "./upload-blob.ts";
import { answerUpload, uploadStatus } from "./upload-request.ts";

const node = createIdentity({ tier: "edge", tenant: "t-ü" });
const challenges = new RequestChallenges(createIdentity({ tier: "cloud", tenant: null }));
const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
const sha256 = createHash("sha256").update(bytes).digest("hex");

let server: Server;
let store: FileBlobStore;
let url: URL;
/** Requests that are cut or altered before the server sees them: what happens to the next ones, in order. */
let faults: ((request: IncomingMessage) => AsyncIterable<Uint8Array> | null)[] = [];
let nowMs = Date.now();
let methods: string[] = [];

const headerOf = (request: IncomingMessage, name: string): string => String(request.headers[name] ?? "");

beforeAll(async () => {
  server = createServer((request, response) => {
    methods.push(request.method ?? "");
    const send = (status: number, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, headers).end();
    };
    const proof = readProof(request.headers.authorization);
    if (proof === null || !challenges.accepts(proof.challenge, nowMs))
      return send(401, { "www-authenticate": challenges.header(nowMs) });
    const signed = { method: request.method ?? "", path: request.url ?? "", offset: headerOf(request, "upload-offset") };
    if (!isProven(proof, node.publicKey, { ...signed, checksum: headerOf(request, "upload-checksum") })) return send(403);
    const altered = request.method === "PATCH" ? faults.shift()?.(request) : undefined;
    if (altered === null) return void request.socket.destroy();
    const seen = altered === undefined ? request : Object.assign(altered, { method: "PATCH", headers: request.headers });
    answerUpload(store, { id: "u", sizeBytes: bytes.length }, seen as IncomingMessage).then(
      ({ status, headers }) => send(status, headers),
      (error: unknown) => send(isHayloftError(error) ? (uploadStatus[error.code] ?? 500) : 500),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = new URL(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/bytes?of=u`);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(async () => {
  faults = [];
  methods = [];
  nowMs = Date.now();
  store = new FileBlobStore(path.join(await tempDir(), "blobs"), { bytesMax: 1_000_000 });
});

const progress: number[] = [];
const pace = (change: Partial<UploadPace> = {}): UploadPace => ({
  chunkBytes: 3_000,
  mayGoOn: async () => true,
  onProgress: async (sent) => void progress.push(sent),
  signal: new AbortController().signal,
  ...change,
});
const upload = (change: Partial<UploadPace> = {}, identity = node): Promise<boolean> =>
  uploadBlob({ url, identity: { nodeId: node.nodeId, sign: (text) => identity.sign(text) }, tenant: "t-ü" }, bytes, pace(change));

describe("uploadBlob", () => {
  it("F-H6 brings all bytes, and goes on where it was cut", async () => {
    let chunks = 0;
    expect(await upload({ mayGoOn: async () => ++chunks < 3 })).toBe(false);
    expect(await store.received("u")).toBe(6_000);
    faults = [() => null];
    await expect(upload()).rejects.toMatchObject({ code: "unavailable", retry: "backoff" });
    expect(await store.received("u")).toBe(6_000);
    methods = [];
    progress.length = 0;
    expect(await upload()).toBe(true);
    expect(progress).toEqual([9_000, 10_000]);
    expect(await store.finish("u", { sha256, sizeBytes: bytes.length })).toEqual({ sha256, sizeBytes: bytes.length });
  });

  it("F-H7 sends a chunk again that was altered on its way", async () => {
    faults = [
      async function* altered(request) {
        for await (const chunk of request as AsyncIterable<Buffer>) {
          chunk[0] = (chunk[0] ?? 0) ^ 1;
          yield chunk;
        }
      },
    ];
    await expect(upload()).rejects.toMatchObject({ code: "unavailable", details: { status: 460 } });
    expect(await store.received("u")).toBe(0);
    expect(await upload()).toBe(true);
    expect((await store.finish("u", { sha256: null, sizeBytes: null })).sha256).toBe(sha256);
  });

  it("proves each request, and asks for a new challenge when one has expired", async () => {
    const stranger = createIdentity({ tier: "edge", tenant: "t-ü" });
    await expect(upload({}, stranger)).rejects.toMatchObject({ code: "auth-failed" });
    methods = [];
    let chunks = 0;
    const late = async (): Promise<boolean> => {
      chunks += 1;
      if (chunks === 2) nowMs += 300_001;
      return true;
    };
    expect(await upload({ mayGoOn: late })).toBe(true);
    expect(methods).toEqual(["HEAD", "HEAD", "PATCH", "PATCH", "PATCH", "PATCH", "PATCH"]);
  });
});

describe("answerUpload", () => {
  const patch = async (headers: Readonly<Record<string, string>>, body: string): Promise<number> => {
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const challenge = challenges.header(nowMs).slice('Hayloft challenge="'.length, -1);
    const offset = given["upload-offset"] ?? "";
    const signed = { challenge, node: node.nodeId, tenant: "t-ü", method: "PATCH", path: `${url.pathname}${url.search}`, offset };
    const authorization = proveRequest(node, { ...signed, checksum: given["upload-checksum"] ?? "" });
    return (await fetch(url, { method: "PATCH", headers: { ...given, authorization }, body })).status;
  };
  const chunk = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0" };

  it.each([
    ["another content type", { ...chunk, "Content-Type": "image/jpeg" }, 400],
    ["no offset", { "Content-Type": chunk["Content-Type"] }, 400],
    ["an offset that is no number", { ...chunk, "Upload-Offset": "-1" }, 400],
    ["an offset beyond all limits", { ...chunk, "Upload-Offset": "999999999999999" }, 400],
    ["an offset that is not the end", { ...chunk, "Upload-Offset": "1" }, 409],
    ["a digest of another kind", { ...chunk, "Upload-Checksum": "md5 abc" }, 400],
    ["a digest of other bytes", { ...chunk, "Upload-Checksum": `sha256 ${"A".repeat(43)}=` }, 460],
  ])("refuses %s, and takes nothing", async (_what, headers, status) => {
    expect(await patch(headers, "x")).toBe(status);
    expect(await store.received("u")).toBe(0);
  });

  it("refuses more than was announced", async () => {
    expect(await patch(chunk, "x".repeat(10_001))).toBe(413);
    expect(await store.received("u")).toBe(0);
  });
});

describe("a request's proof", () => {
  const request = { method: "PATCH", path: "/a?b", offset: "5", checksum: "sha256 x" };
  const challenge = challenges.header(1_000).slice('Hayloft challenge="'.length, -1);
  const header = proveRequest(node, { ...request, challenge, node: node.nodeId, tenant: "t" });

  it("serves this request and no other", () => {
    const proof = readProof(header);
    if (proof === null) throw new Error("unreadable");
    expect(isProven(proof, node.publicKey, request)).toBe(true);
    for (const change of [{ method: "HEAD" }, { path: "/a?c" }, { offset: "6" }, { checksum: "" }])
      expect(isProven(proof, node.publicKey, { ...request, ...change })).toBe(false);
    expect(isProven({ ...proof, tenant: "u" }, node.publicKey, request)).toBe(false);
    expect(isProven({ ...proof, node: "n" }, node.publicKey, request)).toBe(false);
  });

  it("needs a challenge of ours that has not expired", () => {
    expect(challenges.accepts(challenge, 1_000)).toBe(true);
    expect(challenges.accepts(challenge, 301_000)).toBe(false);
    expect(new RequestChallenges(createIdentity({ tier: "cloud", tenant: null })).accepts(challenge, 1_000)).toBe(false);
    for (const forged of ["", ".", "none", challenge.slice(0, -1), `9${challenge}`])
      expect(challenges.accepts(forged, 1_000)).toBe(false);
  });

  it.each(["", "Bearer x", "Hayloft", 'Hayloft challenge="a", node="b"', header.replace("t", '"'), `${header}, more="x"`])(
    "is nothing in %s",
    (text) => expect(readProof(text)).toBeNull(),
  );
});
