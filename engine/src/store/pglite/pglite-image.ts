import { PGlite } from "@electric-sql/pglite";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { cacheFile, installedPglite, putWhole } from "./installed-pglite.ts";

/**
 * The tar archive of a freshly initialised database: from `file`, else from the cache, else made by `initdb`, which
 * takes seconds, and put into the cache when that can be written.
 */
export async function loadImage(file: string | null): Promise<Uint8Array<ArrayBuffer>> {
  if (file !== null) return ownBytes(gunzipSync(readFileSync(file)));
  const cached = cachedImage();
  if (cached !== null) return cached;
  const made = await makeImage();
  storeImage(made);
  return ownBytes(gunzipSync(made));
}

/** The image in the cache; null when there is none or it is damaged. */
function cachedImage(): Uint8Array<ArrayBuffer> | null {
  try {
    return ownBytes(gunzipSync(readFileSync(imageFile())));
  } catch {
    // No image yet, or a damaged one, which gzip's checksum tells: it is made again.
    return null;
  }
}

async function makeImage(): Promise<Uint8Array> {
  const database = await PGlite.create();
  try {
    await database.exec("checkpoint");
    const file = await database.dumpDataDir("gzip");
    return new Uint8Array(await file.arrayBuffer());
  } finally {
    await database.close();
  }
}

function storeImage(image: Uint8Array): void {
  try {
    putWhole(imageFile(), image);
  } catch {
    // An installation that cannot be written works without the cache, only slower.
    return;
  }
}

const imageFile = (): string => cacheFile(`pglite-${installedPglite()}.tar.gz`);

function ownBytes(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}
