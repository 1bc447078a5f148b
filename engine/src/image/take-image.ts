import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { diskError } from "../blob/disk-error.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { lockDirectory } from "../store/pglite/directory-lock.ts";
import { forgiveStore } from "../store/pglite/damage-mark.ts";
import { syncPath } from "../store/pglite/sync-path.ts";
import { askForImage, fetchImage, type ImageParent, type ImageWish } from "./fetch-image.ts";
import type { ImageManifest } from "./image-manifest.ts";
import { unpackImage } from "./unpack-image.ts";

/** What taking an image has come to. */
export type ImageStep = "asked" | "fetched" | "unpacked" | "taken";

/** Lies in PGlite's directory until the image is proven and owned: nothing of this node's own is in it so long. */
const MARKER = "hayloft-image.json";
const DISK_LEFT_BYTES = 64 * 1024 * 1024;

const pgdataOf = (dataDir: string): string => path.join(dataDir, "pgdata");
const draftOf = (dataDir: string): string => path.join(dataDir, "pgdata.image");
/** By the image's hash, so that the beginning of one is never taken for that of another. */
const partOf = (dataDir: string, { sha256 }: ImageManifest): string => path.join(dataDir, `image.${sha256}.part`);
const PART = /^image\.[0-9a-f]{64}\.part$/u;

/** True when a store is empty: it was never opened, and nothing is on its way to it but, perhaps, an image. */
export async function isEmptyStore(dataDir: string): Promise<boolean> {
  const names = await readdir(dataDir).catch((): string[] => []);
  return !names.some((name) => name.startsWith("pgdata") && name !== "pgdata.image" && name !== "pgdata.new");
}

/**
 * Puts the parent's image in the place of an empty store: downloads it, checks it, unpacks it beside its place, and switches by one rename, under
 * the store's lock. Killed at any point, it goes on, or begins anew, when it is called again. Throws what `askForImage`, `fetchImage` and
 * `unpackImage` throw, `store-full` where there is no room, and `store-locked`; the store is empty still then.
 */
export async function takeImage(
  dataDir: string,
  parent: ImageParent,
  wish: ImageWish,
  onStep: (step: ImageStep) => void = () => undefined,
): Promise<ImageManifest> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(dataDir);
  try {
    const manifest = await askForImage(parent, wish);
    onStep("asked");
    await assertRoom(dataDir, manifest);
    await removeParts(dataDir, partOf(dataDir, manifest));
    await fetchImage(parent, wish, manifest, partOf(dataDir, manifest));
    onStep("fetched");
    await unpack(dataDir, manifest);
    onStep("unpacked");
    await rename(draftOf(dataDir), pgdataOf(dataDir));
    syncPath(dataDir);
    await removeParts(dataDir, null);
    onStep("taken");
    return manifest;
  } catch (error) {
    throw diskError(error, "image");
  } finally {
    await lock.release();
  }
}

async function unpack(dataDir: string, manifest: ImageManifest): Promise<void> {
  const draft = draftOf(dataDir);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  try {
    await unpackImage(partOf(dataDir, manifest), draft, manifest);
    const handle = await open(path.join(draft, MARKER), "wx", 0o600);
    try {
      await handle.writeFile(JSON.stringify(manifest));
      await handle.sync();
    } finally {
      await handle.close();
    }
    syncPath(draft);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Its bytes are those that were signed, and they are of no use: another download would bring the same.
    if (error instanceof HayloftError) await removeParts(dataDir, null);
    throw error;
  }
}

async function assertRoom(dataDir: string, { sizeBytes, unpackedBytes }: ImageManifest): Promise<void> {
  const { bavail, bsize } = await statfs(dataDir);
  if (bavail * bsize < sizeBytes + unpackedBytes + DISK_LEFT_BYTES)
    throw new HayloftError("store-full", { freeBytes: bavail * bsize, imageBytes: sizeBytes + unpackedBytes });
}

/** The manifest of an image that was taken and is not proven yet; null where there is none. */
export async function unprovenImage(dataDir: string): Promise<ImageManifest | null> {
  const file = path.join(pgdataOf(dataDir), MARKER);
  return existsSync(file) ? (JSON.parse(await readFile(file, "utf8")) as ImageManifest) : null;
}

/** From now on the store is this node's. */
export async function settleImage(dataDir: string): Promise<void> {
  await rm(path.join(pgdataOf(dataDir), MARKER), { force: true });
  syncPath(pgdataOf(dataDir));
}

/** Empties a store whose image turned out to be of no use, damaged or not; the marker goes last. */
export async function discardImage(dataDir: string): Promise<void> {
  forgiveStore(dataDir);
  const draft = draftOf(dataDir);
  await rm(draft, { recursive: true, force: true });
  await rename(pgdataOf(dataDir), draft);
  syncPath(dataDir);
  await rm(draft, { recursive: true, force: true });
}

/** Removes what attempts left behind. */
export async function forgetImage(dataDir: string): Promise<void> {
  await rm(draftOf(dataDir), { recursive: true, force: true });
  await removeParts(dataDir, null);
}

async function removeParts(dataDir: string, but: string | null): Promise<void> {
  const parts = (await readdir(dataDir).catch((): string[] => [])).filter((name) => PART.test(name));
  for (const file of parts.map((name) => path.join(dataDir, name))) if (file !== but) await rm(file, { force: true });
}
