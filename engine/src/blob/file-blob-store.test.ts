import { createHash } from "node:crypto";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../testing/temp-dir.ts";
import { FileBlobStore } from "./file-blob-store.ts";

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const unknown = { sha256: null, sizeBytes: null };

async function* pieces(...texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield bytesOf(text);
}

async function* broken(text: string): AsyncIterable<Uint8Array> {
  yield bytesOf(text);
  throw Object.assign(new Error("the connection was cut"), { code: "ECONNRESET" });
}

async function collected(texts: AsyncIterable<string>): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const text of texts) found.push(text);
  return found;
}

async function open(): Promise<{ readonly store: FileBlobStore; readonly directory: string }> {
  const directory = path.join(await tempDir(), "media");
  return { store: new FileBlobStore(directory, { bytesMax: 100 }), directory };
}

const files = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);

describe("FileBlobStore", () => {
  it("keeps a blob under its hash, once, and gives it back", async () => {
    const { store, directory } = await open();
    expect(await store.put(bytesOf("hay"))).toEqual({ sha256: sha256("hay"), sizeBytes: 3 });
    await store.put(bytesOf("hay"));
    expect(await files(directory)).toEqual([sha256("hay")]);
    expect(Buffer.from(await store.read(sha256("hay"))).toString()).toBe("hay");
    expect([await store.size(sha256("hay")), await store.size(sha256("straw"))]).toEqual([3, null]);
    await store.remove(sha256("hay"));
    await store.remove(sha256("hay"));
    await expect(store.read(sha256("hay"))).rejects.toMatchObject({ code: "not-found" });
  });

  it("S5.30 tells that a blob's bytes were altered on disk", async () => {
    const { store, directory } = await open();
    await store.put(bytesOf("hay"));
    await writeFile(path.join(directory, "blobs", sha256("hay").slice(0, 2), sha256("hay")), "hex");
    await expect(store.read(sha256("hay"))).rejects.toMatchObject({ code: "blob-altered", details: { part: "stored" } });
  });

  it("goes on where an upload was cut, also in another process", async () => {
    const { store, directory } = await open();
    await expect(store.append("u", 0, broken("half "))).rejects.toThrow("the connection was cut");
    const again = new FileBlobStore(directory, { bytesMax: 100 });
    expect(await again.received("u")).toBe(5);
    expect(await again.append("u", 5, pieces("and", " half"))).toBe(13);
    expect(Buffer.from(await again.contents("u")).toString()).toBe("half and half");
    await again.finish("u", { sha256: sha256("half and half"), sizeBytes: 13 });
    expect(await files(directory)).toEqual([sha256("half and half")]);
    expect(await again.received("u")).toBe(0);
  });

  it("F-H6 leaves an upload as it is when bytes do not begin at its end", async () => {
    const { store } = await open();
    await store.append("u", 0, pieces("four"));
    for (const offset of [0, 3, 5])
      await expect(store.append("u", offset, pieces("more"))).rejects.toMatchObject({
        code: "upload-offset",
        details: { offset: 4 },
      });
    expect(Buffer.from(await store.contents("u")).toString()).toBe("four");
  });

  it("F-H7 drops an altered chunk whole, and an upload that is not what was announced", async () => {
    const { store, directory } = await open();
    await store.append("u", 0, pieces("good"));
    const digest = createHash("sha256").update("chunk").digest();
    await expect(store.append("u", 4, pieces("chu", "mp"), digest)).rejects.toMatchObject({ code: "blob-altered" });
    await expect(store.append("u", 4, broken("chu"), digest)).rejects.toThrow("the connection was cut");
    expect(await store.received("u")).toBe(4);
    expect(await store.append("u", 4, pieces("chu", "nk"), digest)).toBe(9);
    await expect(store.finish("u", { sha256: sha256("another"), sizeBytes: null })).rejects.toMatchObject({
      code: "blob-altered",
      details: { part: "whole" },
    });
    await store.append("u", 0, pieces("short"));
    await expect(store.finish("u", { sha256: null, sizeBytes: 6 })).rejects.toMatchObject({ code: "blob-altered" });
    expect(await files(directory)).toEqual([]);
  });

  it("stops at the limit and takes nothing of what goes beyond it", async () => {
    const { store } = await open();
    await store.append("u", 0, pieces("x".repeat(90)));
    await expect(store.append("u", 90, pieces("12345", "678901"))).rejects.toMatchObject({ code: "blob-too-large" });
    expect(await store.received("u")).toBe(90);
    await expect(store.put(Buffer.alloc(101))).rejects.toMatchObject({ code: "blob-too-large" });
  });

  it("lets one request at a time add to an upload", async () => {
    const { store } = await open();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slow(): AsyncIterable<Uint8Array> {
      yield bytesOf("first");
      await gate;
    }
    const first = store.append("u", 0, slow());
    await expect(store.append("u", 0, pieces("second"))).rejects.toMatchObject({ code: "upload-busy" });
    release();
    expect(await first).toBe(5);
  });

  it("makes no path from what it is given", async () => {
    const { store, directory } = await open();
    await store.append("../../escaped", 0, pieces("x"));
    expect(await files(path.dirname(directory))).toEqual([sha256("../../escaped")]);
    for (const name of ["../../escaped", "", "ABC", `${sha256("x")}/..`])
      await expect(store.read(name)).rejects.toMatchObject({ code: "request-invalid" });
    await store.finish("../../escaped", unknown);
    expect(await files(path.dirname(directory))).toEqual([sha256("x")]);
  });

  it("lists blobs, and drops uploads that nobody went on with", async () => {
    const { store, directory } = await open();
    await store.put(bytesOf("hay"));
    const listed = async (beforeMs: number): Promise<readonly string[]> => await collected(store.hashes(beforeMs));
    expect(await listed(Date.now() + 60_000)).toEqual([sha256("hay")]);
    expect(await listed(Date.now() - 60_000)).toEqual([]);
    await store.append("old", 0, pieces("x"));
    await store.append("new", 0, pieces("y"));
    const old = new Date(Date.now() - 60_000);
    await utimes(path.join(directory, "uploads", sha256("old")), old, old);
    expect(await store.expire(Date.now() - 30_000)).toBe(1);
    expect([await store.received("old"), await store.received("new")]).toEqual([0, 1]);
    expect((await readFile(path.join(directory, "uploads", sha256("new")))).toString()).toBe("y");
  });
});
