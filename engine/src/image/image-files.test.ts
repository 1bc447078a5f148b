import { createHash } from "node:crypto";
import { existsSync, truncateSync } from "node:fs";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { pack, type Header } from "tar-stream";
import { expect, it } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import { newId } from "../identity/new-id.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { type ImageManifest, parseSigned, readManifest, signManifest } from "./image-manifest.ts";
import { ImageShelf } from "./image-shelf.ts";
import { packDirectory } from "./pack-directory.ts";
import { unpackImage } from "./unpack-image.ts";

const identity = createIdentity({ tier: "cloud", tenant: null });
const maker = { node: identity.nodeId, publicKey: identity.publicKey };
const hexOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const manifestOf = (name: string, more: Partial<ImageManifest> = {}): ImageManifest => ({
  application: "sample",
  catalogVersion: 1,
  schema: hexOf("schema"),
  store: "pglite-0.5",
  key: hexOf(name),
  maker: maker.node,
  granted: '["t1","edge",[]]',
  cursors: [{ tenant: "t1", incarnation: newId(), position: 3 }],
  madeAtMs: 1,
  sha256: hexOf(`bytes of ${name}`),
  sizeBytes: 100,
  files: 1,
  unpackedBytes: 100,
  ...more,
});

async function putImage(shelf: ImageShelf, name: string): Promise<ImageManifest> {
  const manifest = manifestOf(name);
  const draft = await shelf.draft(manifest.key);
  if (draft === null) throw new Error("somebody makes it");
  await writeFile(draft.file, Buffer.alloc(manifest.sizeBytes));
  await shelf.put(draft.file, manifest, signManifest(identity, manifest));
  await draft.release();
  return manifest;
}

/** A packed archive with these entries. */
async function archiveOf(
  entries: readonly (Partial<Header> & { readonly name: string; readonly content?: Buffer })[],
): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry(header, content ?? Buffer.alloc(header.size ?? 0));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

it("what does not belong into an image is refused, and nothing is written beside its directory", async () => {
  const directory = await tempDir();
  const hostile: Readonly<Record<string, readonly (Partial<Header> & { readonly name: string; readonly content?: Buffer })[]>> = {
    "a way out": [{ name: "../evil", size: 1 }],
    "a way out in the middle": [{ name: "base/../../evil", size: 1 }],
    "an absolute name": [{ name: "/evil", size: 1 }],
    "a link": [{ name: "link", type: "symlink", linkname: "/etc/passwd" }],
    "a hard link": [{ name: "link", type: "link", linkname: "PG_VERSION" }],
    "a device": [{ name: "device", type: "character-device" }],
    "a name beyond all measure": [{ name: "x".repeat(300), size: 1 }],
    "a file twice": [
      { name: "PG_VERSION", size: 1 },
      { name: "PG_VERSION", size: 1 },
    ],
    "more files": [
      { name: "a", size: 1 },
      { name: "b", size: 1 },
      { name: "c", size: 1 },
    ],
    "more bytes": [{ name: "a", size: 5_000 }],
    "fewer files": [{ name: "a", size: 1 }],
  };
  for (const [what, entries] of Object.entries(hostile)) {
    const place = path.join(directory, hexOf(what));
    await mkdir(place);
    await writeFile(`${place}.image`, await archiveOf(entries));
    const refused = what === "a file twice" ? { code: "EEXIST" } : { code: "image-invalid" };
    await expect(unpackImage(`${place}.image`, place, { files: 2, unpackedBytes: 1_000 }), what).rejects.toMatchObject(refused);
    expect(existsSync(path.join(directory, "evil")), what).toBe(false);
  }
  const cut = path.join(directory, "cut");
  await mkdir(cut);
  const whole = await archiveOf([{ name: "a", size: 200_000, content: Buffer.alloc(200_000, "x") }]);
  for (const bytes of [whole.subarray(0, whole.length / 2), Buffer.from("no archive at all"), gzipSync(Buffer.alloc(2_048, 7))]) {
    await writeFile(`${cut}.image`, bytes);
    const unpacked = unpackImage(`${cut}.image`, path.join(cut), { files: 1, unpackedBytes: 200_000 });
    await expect(unpacked).rejects.toMatchObject({ code: expect.stringMatching(/image-invalid|EEXIST/u) as string });
  }
});

it("a directory comes out as it went in, and of its log the end alone, with zeros behind what means something", async () => {
  const [from, to] = [await tempDir(), await tempDir()];
  await mkdir(path.join(from, "pg_wal"));
  await mkdir(path.join(from, "base", "5"), { recursive: true });
  const segment = "00000001000000000000000A";
  await writeFile(path.join(from, "base", "5", "1259"), Buffer.alloc(70_000, "row"));
  await writeFile(path.join(from, "base", "5", "2600"), "");
  await writeFile(path.join(from, "postmaster.pid"), "4711");
  await writeFile(path.join(from, "pg_wal", segment), Buffer.alloc(4_096, "log"));
  await writeFile(path.join(from, "pg_wal", "00000001000000000000000B"), Buffer.alloc(4_096, "old log"));
  const file = path.join(to, "image");
  const packed = await packDirectory(from, file, { segment, bytes: 1_000 });
  expect(packed).toMatchObject({ files: 3, unpackedBytes: 74_096, sizeBytes: (await stat(file)).size });
  expect(packed.sha256).toBe(
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex"),
  );
  const out = path.join(to, "out");
  await mkdir(out);
  await unpackImage(file, out, packed);
  expect((await readdir(out, { recursive: true })).toSorted()).toEqual(
    ["base", "base/5", "base/5/1259", "base/5/2600", "pg_wal", `pg_wal/${segment}`].toSorted(),
  );
  expect(await readFile(path.join(out, "base", "5", "1259"))).toEqual(Buffer.alloc(70_000, "row"));
  const log = await readFile(path.join(out, "pg_wal", segment));
  expect(log).toEqual(Buffer.concat([Buffer.alloc(4_096, "log").subarray(0, 1_000), Buffer.alloc(3_096)]));
});

it("a manifest is believed when the parent signed this very text, and read with limits", () => {
  const signed = signManifest(identity, manifestOf("a"));
  expect(readManifest(parseSigned(JSON.stringify(signed)), maker)).toEqual({
    ...manifestOf("a"),
    cursors: expect.anything() as unknown,
  });
  const other = createIdentity({ tier: "cloud", tenant: null });
  const invalid = expect.objectContaining({ code: "image-invalid" }) as Error;
  const refused = (text: string, by = maker) => {
    expect(() => readManifest(parseSigned(text), by)).toThrow(invalid);
  };
  refused(JSON.stringify(signed), { ...maker, publicKey: other.publicKey });
  refused(JSON.stringify(signManifest(other, manifestOf("a"))));
  refused(JSON.stringify(signed), { ...maker, node: other.nodeId });
  refused(JSON.stringify({ ...signed, text: signed.text.replace('"position":3', '"position":4') }));
  for (const wrong of [{ sizeBytes: -1 }, { sha256: "ab" }, { cursors: [] }, { files: 1.5 }, { granted: "" }])
    refused(JSON.stringify(signManifest(identity, manifestOf("a", wrong))));
  for (const text of ["", "null", "[]", "{", `{"text":"x"}`, `"${"x".repeat(20_000)}"`]) refused(text);
});

it("a shelf keeps what is wanted and fits, the one wanted longest ago goes first, and what nobody names goes", async () => {
  const directory = await tempDir();
  const shelf = new ImageShelf(directory, maker);
  const images = [];
  for (const name of ["a", "b", "c", "d"]) images.push(await putImage(shelf, name));
  for (const [age, { key }] of images.entries()) await shelf.touch(key, 1_000_000 - age * 1_000);
  const draft = await shelf.draft(hexOf("being made"));
  expect(await shelf.draft(hexOf("being made"))).toBeNull();
  const stray = path.join(directory, `${hexOf("stray")}.image`);
  await writeFile(stray, "nobody names it");
  await utimes(stray, 1, 1);
  const names = async (): Promise<readonly string[]> => (await shelf.list()).map(({ manifest }) => manifest.key);
  const keys = images.map(({ key }) => key);
  const isNotB = ({ manifest }: { readonly manifest: ImageManifest }): boolean => manifest.key !== keys[1];
  await shelf.tidy(isNotB, { imagesMax: 3, bytesMax: 250 }, 60_000);
  expect(await names()).toEqual([keys[0], keys[2]]);
  expect(existsSync(stray)).toBe(false);
  await draft?.release();
  await shelf.tidy(() => true, { imagesMax: 1, bytesMax: 250 }, Date.now() + 60_000);
  expect(await names()).toEqual([keys[0]]);
  expect(await readdir(path.join(directory, "drafts"))).toEqual([]);
  // One that was cut, and one whose manifest somebody else made, are none.
  truncateSync(path.join(directory, `${images[0]?.sha256 ?? ""}.image`), 50);
  expect(await names()).toEqual([]);
});
