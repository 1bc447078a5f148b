import { createHash } from "node:crypto";
import { readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { deflateSync } from "node:zlib";
import { newId } from "@hayloft/engine";
import { FileBlobStore } from "@hayloft/engine/blob";
import { type SeedBarn, sweepMedia } from "@hayloft/schema";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashPassword } from "../broker/device-accounts.ts";
import type { Edge } from "../daemon/start-edge.ts";
import { countRows, firstBarn, standaloneConfig, startStandalone, temporaryDirectory } from "../testing/edge-fixture.ts";

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let edge: Edge;
const barn: SeedBarn = firstBarn();
const place = { tenant_id: barn.tenant_id, farm_id: barn.farm_id, barn_id: barn.barn_id, device_id: barn.weigh_device_id };
const admin = { authorization: "Bearer let-me-see" };
const login = { authorization: `Basic ${Buffer.from("scale:secret").toString("base64")}` };

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A picture that compresses badly, turned by its EXIF, with a place in it. */
async function picture(seed: number, format: "jpeg" | "png" | "webp" = "jpeg"): Promise<Buffer> {
  const [width, height] = [640, 400];
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < pixels.length; index += 1) pixels[index] = (index * 31 + seed * 97 + ((index * index) >> 7)) % 256;
  const metadata = { orientation: 6, exif: { IFD0: { Copyright: "planted-marker" } } };
  return await sharp(pixels, { raw: { width, height, channels: 3 } })
    .withMetadata(metadata)
    .toFormat(format)
    .toBuffer();
}

/** A PNG whose header promises more pixels than anybody wants to decode, in a few bytes. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(body));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, body, crc]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0], 8);
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(Buffer.alloc(1_000_000));
  return Buffer.concat([magic, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xed_b8_83_20 : 0);
  }
  return ~crc >>> 0;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(what: string, body: unknown, headers: Readonly<Record<string, string>> = login): Promise<Answer> {
  const response = await fetch(`${edge.httpUrl}/api/v1/media/images/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

const codeOf = ({ body }: Answer): unknown => (body["error"] as { readonly code: string } | undefined)?.code;

async function presign(
  contentType = "image/jpeg",
  more: object = {},
): Promise<{ readonly key: string; readonly url: string; readonly id: string }> {
  const { status, body } = await post("presign", { ...place, content_type: contentType, filename: "a.jpg", ...more });
  expect(status).toBe(200);
  return { key: String(body["object_key"]), url: `${edge.httpUrl}${String(body["upload_url"])}`, id: String(body["media_id"]) };
}

const put = async (url: string, bytes: Uint8Array): Promise<Response> =>
  await fetch(url, { method: "PUT", body: Buffer.from(bytes) });

const complete = async (key: string, more: object = {}): Promise<Answer> =>
  await post("complete", { ...place, object_key: key, mime_type: "image/jpeg", ...more });

const patch = async (
  url: string,
  offset: number,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  await fetch(url, {
    method: "PATCH",
    headers: { "content-type": "application/offset+octet-stream", "upload-offset": String(offset), ...headers },
    body: Buffer.from(bytes),
  });

const offsetOf = async (url: string): Promise<number> =>
  Number((await fetch(url, { method: "HEAD" })).headers.get("upload-offset"));

const blobFiles = async (): Promise<readonly string[]> =>
  (await readdir(path.join(directory.path, "media"), { recursive: true })).filter((name) => /[0-9a-f]{64}$/.test(name));

async function store(bytes: Buffer, more: object = {}): Promise<string> {
  const { key, url, id } = await presign();
  expect((await put(url, bytes)).status).toBe(200);
  expect((await complete(key, more)).status).toBe(200);
  return id;
}

beforeAll(async () => {
  directory = await temporaryDirectory();
  const tokenFile = path.join(directory.path, "token");
  await writeFile(tokenFile, "let-me-see\n", { mode: 0o600 });
  const accountsFile = path.join(directory.path, "accounts");
  const account = {
    username: "scale",
    password_hash: await hashPassword("secret"),
    ...place,
    device_ids: [place.device_id, "unlisted"],
  };
  const { device_id: _device, ...entry } = account;
  await writeFile(accountsFile, JSON.stringify([entry]), { mode: 0o600 });
  edge = await startStandalone(
    standaloneConfig(directory.path, {
      "broker.anonymous": false,
      "broker.accounts_file": accountsFile,
      "http.admin_token_file": tokenFile,
      "media.uploads_per_minute": 1_000,
    }),
  );
}, 60_000);
afterAll(async () => {
  await edge.stop();
  await directory.remove();
});

describe("an image's way into the barn", () => {
  it("S2.3 P-S2 ends in files by their hash and rows that say what they are, in one commit", async () => {
    const bytes = await picture(1);
    const station = { station_id: barn.station_id, session_id: "s-1", image_role: "left", captured_at: "2026-11-26T08:00:00Z" };
    const { key, url, id } = await presign();
    await edge.replica.database.query(
      `insert into weight_sessions (tenant_id, id, session_id, station_id, farm_id, barn_id, device_id, start_at, status)
       select $1, hayloft.derived_id('weight_sessions', array[$1, $2, 's-1']), 's-1', $2, $3, $4, $5, now(), 'created'`,
      [place.tenant_id, barn.station_id, place.farm_id, place.barn_id, place.device_id],
    );
    await edge.replica.database.query(
      `insert into session_media_bindings (tenant_id, id, weight_session_id, session_id, farm_id, barn_id, media_object_id, occurred_at, event_id)
       select $1, $2, hayloft.derived_id('weight_sessions', array[$1, $3, 's-1']), 's-1', $4, $5, $6, now(), $7`,
      [place.tenant_id, newId(), barn.station_id, place.farm_id, place.barn_id, id, newId()],
    );
    expect((await edge.monitor.status()).media.announced).toBe(1);
    expect((await put(url, bytes)).status).toBe(200);
    const commits = await countRows(edge, "hayloft.commit");
    const done = await complete(key, { ...station, size_bytes: bytes.length, sha256: sha256(bytes) });
    expect(done).toMatchObject({
      status: 200,
      body: { media_id: id, object_key: key, etag: sha256(bytes), size_bytes: bytes.length },
    });
    expect(await countRows(edge, "hayloft.commit")).toBe(commits + 1);
    const { rows } = await edge.replica.database.query(
      `select sha256, mime_type, width_px, height_px, session_id, weight_session_id is not null as named,
         (select string_agg(kind || ' ' || width_px || 'x' || height_px, ', ' order by kind) from media_variants where media_id = media.id) as smaller,
         (select string_agg(variant || ' ' || state, ', ' order by variant) from media_presence where media_id = media.id) as here,
         (select is_bound from session_media_bindings where media_object_id = media.id::text) as bound
       from media_objects as media where id = $1`,
      [id],
    );
    expect(rows).toEqual([
      {
        sha256: sha256(bytes),
        mime_type: "image/jpeg",
        width_px: 640,
        height_px: 400,
        session_id: "s-1",
        named: true,
        // Turned upright, and not made larger than it was.
        smaller: "preview 400x640, thumbnail 200x320",
        here: "original present, preview present, thumbnail present",
        bound: true,
      },
    ]);
    expect(await blobFiles()).toHaveLength(3);
    expect(await blobFiles()).toContain(path.join("blobs", sha256(bytes).slice(0, 2), sha256(bytes)));
    expect((await edge.monitor.status()).media).toMatchObject({
      present: 3,
      announced: 0,
      awaited: 0,
      damaged: 0,
      openUploads: 0,
    });
  });

  it("D7 is read back whole, in part and by key, and smaller pictures tell nothing but the picture", async () => {
    const bytes = await picture(2);
    const id = await store(bytes);
    const get = async (what: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      await fetch(`${edge.httpUrl}/api/v1/media/objects/${what}`, { headers: { ...admin, ...headers } });
    const whole = await get(id);
    expect([whole.status, whole.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await get(id, { range: "bytes=10-19" });
    expect([part.status, part.headers.get("content-range")]).toEqual([206, `bytes 10-19/${bytes.length}`]);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(10, 20))).toBe(true);
    expect((await get(id, { range: `bytes=${bytes.length}-` })).status).toBe(416);
    expect((await get(id, { "if-none-match": `"${sha256(bytes)}"` })).status).toBe(304);
    const meta = (await (await get(`${id}/meta`)).json()) as { readonly objectKey: string };
    expect(meta).toMatchObject({ pictures: [{ variant: "original", here: "present", inCloud: false }, {}, {}] });
    expect((await get(`by-key?object_key=${encodeURIComponent(meta.objectKey)}`)).status).toBe(200);
    const thumbnail = Buffer.from(await (await get(`${id}?variant=thumbnail`)).arrayBuffer());
    expect(thumbnail.length).toBeLessThanOrEqual(30_000);
    expect(bytes.includes("planted-marker")).toBe(true);
    expect(thumbnail.includes("planted-marker")).toBe(false);
    expect((await sharp(thumbnail).metadata()).exif).toBeUndefined();
    expect((await get(newId())).status).toBe(404);
    expect((await get("../../etc/passwd")).status).toBe(404);
    expect((await fetch(`${edge.httpUrl}/api/v1/media/objects/${id}`)).status).toBe(401);
  });

  it("is the same image however often it is completed, at once or later", async () => {
    const { key, url, id } = await presign();
    const bytes = await picture(3);
    await put(url, bytes);
    const answers = await Promise.all([complete(key), complete(key), complete(key)]);
    expect(answers.map(({ status, body }) => [status, body["media_id"]])).toEqual([200, 200, 200].map((status) => [status, id]));
    expect((await complete(key)).body).toEqual(answers[0]?.body);
    expect(await countRows(edge, `media_objects where sha256 = '${sha256(bytes)}'`)).toBe(1);
  });

  it("S5.30 shows no image whose bytes were altered on disk, and says so", async () => {
    const bytes = await picture(4);
    const id = await store(bytes);
    await writeFile(path.join(directory.path, "media/blobs", sha256(bytes).slice(0, 2), sha256(bytes)), "altered");
    const response = await fetch(`${edge.httpUrl}/api/v1/media/objects/${id}`, { headers: admin });
    expect([response.status, await response.json()]).toEqual([
      410,
      { error: expect.objectContaining({ code: "bytes-damaged" }) },
    ]);
    expect((await edge.monitor.status()).media.damaged).toBe(1);
    expect((await (await fetch(`${edge.httpUrl}/metrics`)).text()).includes('media_pictures{state="damaged"} 1')).toBe(true);
  });
});

describe("an upload that goes wrong", () => {
  it("F-H6 goes on where it was cut; bytes at another place change nothing", async () => {
    const { key, url } = await presign();
    const bytes = await picture(5);
    const half = Math.floor(bytes.length / 2);
    expect((await patch(url, 0, bytes.subarray(0, half))).status).toBe(204);
    expect(await offsetOf(url)).toBe(half);
    for (const offset of [0, half - 1, half + 1]) expect((await patch(url, offset, bytes)).status).toBe(409);
    expect(codeOf(await complete(key, { size_bytes: bytes.length }))).toBe("size-mismatch");
    expect((await patch(url, half, bytes.subarray(half))).headers.get("upload-offset")).toBe(String(bytes.length));
    expect((await complete(key, { sha256: sha256(bytes), size_bytes: bytes.length })).status).toBe(200);
    expect((await patch(url, bytes.length, Buffer.from("more"))).status).toBe(410);
  });

  it("F-H7 is dropped when its bytes are not those that were said, a chunk or the whole", async () => {
    const { key, url } = await presign();
    const bytes = await picture(6);
    const digest = { "upload-checksum": `sha256 ${createHash("sha256").update(bytes).digest("base64")}` };
    const altered = Buffer.from(bytes);
    altered[100] = (altered[100] ?? 0) ^ 1;
    expect((await patch(url, 0, altered, digest)).status).toBe(460);
    expect(await offsetOf(url)).toBe(0);
    expect((await put(url, altered)).status).toBe(200);
    expect(codeOf(await complete(key, { sha256: sha256(bytes) }))).toBe("checksum-mismatch");
    expect(await countRows(edge, `media_objects where object_key = '${key}'`)).toBe(0);
    expect(await offsetOf(url)).toBe(0);
  });

  it.each<readonly [string, () => Promise<Buffer> | Buffer, string]>([
    ["a text", () => Buffer.from("#!/bin/sh\n"), "unsupported-content-type"],
    ["an SVG", () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), "unsupported-content-type"],
    ["a GIF", () => Buffer.from("GIF89a\u0001\u0000\u0001\u0000", "latin1"), "unsupported-content-type"],
    ["a PNG that says it is a JPEG", async () => await picture(7, "png"), "content-type-mismatch"],
    ["a bomb of 3.6 gigapixels", () => bomb(60_000, 60_000), "too-many-pixels"],
    ["a bomb just above the limit", () => bomb(50_000, 1_001), "too-many-pixels"],
    ["half an image", async () => (await picture(8)).subarray(0, 5_000), "unreadable-image"],
    [
      "a JPEG's beginning and noise",
      () => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(5_000, 7)]),
      "unreadable-image",
    ],
  ])("F-H8 D7 T-C16 %s is refused, and leaves nothing", async (_what, make, code) => {
    const { key, url } = await presign();
    expect((await put(url, await make())).status).toBe(200);
    const files = await blobFiles();
    const refused = await complete(key);
    expect(codeOf(refused)).toBe(code);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(await countRows(edge, `media_objects where object_key = '${key}'`)).toBe(0);
    // Another try with the right type is allowed; what can never become an image is gone.
    if (code !== "content-type-mismatch") expect((await blobFiles()).length).toBe(files.length - 1);
  });

  it("F-H8 D7 T-C16 stops above 10 MB, while it comes", async () => {
    const { url } = await presign();
    const large = Buffer.alloc(10_485_761);
    expect((await put(url, large)).status).toBe(413);
    expect((await patch(url, 0, large)).status).toBe(413);
    expect(await offsetOf(url)).toBe(0);
  });

  it("F-H9 a row without its file is noticed, stays usable, and the same bytes can come again", async () => {
    const bytes = await picture(9);
    const id = await store(bytes);
    await rm(path.join(directory.path, "media/blobs", sha256(bytes).slice(0, 2), sha256(bytes)));
    const read = async (what = ""): Promise<Response> =>
      await fetch(`${edge.httpUrl}/api/v1/media/objects/${id}${what}`, { headers: admin });
    const response = await read();
    expect(codeOf({ status: response.status, body: (await response.json()) as Answer["body"] })).toBe("bytes-elsewhere");
    expect((await edge.monitor.status()).media.missing).toBe(1);
    expect((await read("/meta")).status).toBe(200);
    await store(bytes);
    expect((await read()).status).toBe(200);
  });

  it("S9.3 files that no row speaks of are swept once their rows cannot be on their way any more, and no others", async () => {
    const blobs = new FileBlobStore(path.join(directory.path, "media"), { bytesMax: 1_000_000 });
    const kept = await blobFiles();
    await blobs.put(Buffer.from("a file whose row a crash took"));
    const { database } = edge.replica;
    expect(await sweepMedia(database, blobs, Date.now())).toBe(0);
    expect(await sweepMedia(database, blobs, Date.now() + 2 * 3_600_000)).toBeGreaterThanOrEqual(1);
    const rows = await database.query<{ sha256: string }>(
      "select sha256 from media_objects union select sha256 from media_variants union select sha256 from media_uploads where state = 'received'",
    );
    const known = new Set(rows.rows.map((row) => row.sha256));
    expect((await blobFiles()).filter((file) => file.startsWith("blobs")).every((file) => known.has(path.basename(file)))).toBe(
      true,
    );
    expect(await blobFiles()).toEqual(kept.filter((file) => file.startsWith("uploads") || known.has(path.basename(file))));
  });
});

describe("who may bring images", () => {
  const ask = async (more: object, headers?: Readonly<Record<string, string>>): Promise<Answer> =>
    await post("presign", { ...place, content_type: "image/jpeg", ...more }, headers);

  it.each<readonly [string, object, number, string]>([
    ["another tenant", { tenant_id: "t-other" }, 403, "tenant-mismatch"],
    ["another barn", { barn_id: "b-other" }, 403, "not-allowed"],
    ["another farm", { farm_id: "f-other" }, 403, "not-allowed"],
    ["a device of another account", { device_id: barn.sensor_device_ids[0] }, 403, "not-allowed"],
    ["a device that is in no list", { device_id: "unlisted" }, 403, "not-allowed"],
    ["a type that is no image", { content_type: "text/html" }, 400, "unsupported-content-type"],
    ["a name with a path", { filename: "../a.jpg" }, 400, "request-invalid"],
    ["no device", { device_id: "" }, 400, "request-invalid"],
    ["a number as tenant", { tenant_id: 5 }, 400, "request-invalid"],
  ])("refuses %s", async (_what, more, status, code) => {
    const answer = await ask(more);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });

  it("refuses a wrong password, a stranger, and a link that is not ours", async () => {
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
    for (const headers of [{}, basic("scale:wrong"), basic("nobody:secret"), { authorization: "Bearer let-me-see" }])
      expect((await ask({}, headers)).status).toBe(401);
    const { url } = await presign();
    expect((await put(url.slice(0, -1), Buffer.from("x"))).status).toBe(410);
    expect((await put(url.replace(/uploads\/[^?]+/, `uploads/${newId()}`), Buffer.from("x"))).status).toBe(410);
  });

  it("refuses a device from the moment it is blocked on site", async () => {
    const { key, url } = await presign();
    await put(url, await picture(10));
    await edge.monitor.block("device", place.device_id, null);
    expect([codeOf(await ask({})), codeOf(await complete(key))]).toEqual(["not-allowed", "not-allowed"]);
    await edge.monitor.unblock("device", place.device_id);
    expect((await complete(key)).status).toBe(200);
  });
});
