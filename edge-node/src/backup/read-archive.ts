import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { HayloftError } from "@hayloft/engine";
import { diskError } from "@hayloft/engine/blob";
import { extract } from "tar-stream";

export interface ArchiveEntry {
  readonly name: string;
  readonly kind: "file" | "directory";
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** A segment of a name that can stand in no path but its own. */
const safeName = /^(?!\.{1,2}(?:\/|$))[\w.-]+(?:\/(?!\.{1,2}(?:\/|$))[\w.-]+)*$/u;

/**
 * Gives each entry of an archive to `take`, which must read it to its end. When it resolves, every byte was there and authentic, to
 * the archive's end; until then nothing of it may be relied on. Throws `backup-key`, `backup-damaged`, `not-found`, and what
 * `take` throws.
 */
export async function readArchive(
  file: string,
  identities: readonly string[],
  take: (entry: ArchiveEntry) => Promise<void>,
): Promise<void> {
  await stat(file).catch((error: unknown) => {
    throw diskError(error, "backup");
  });
  const plain = await decrypted(file, identities);
  const entries = extract();
  const failed = { first: null as unknown };
  const note = (wrap: boolean) => (error: unknown) => {
    failed.first ??= wrap ? damaged(error) : error;
    entries.destroy();
  };
  const flow = pipeline(Readable.fromWeb(plain), createGunzip(), entries).catch(note(true));
  const taken = (async () => {
    for await (const entry of entries) {
      await take(entryOf(entry.header, entry as AsyncIterable<Uint8Array>)).catch(note(false));
      if (failed.first !== null) return;
    }
  })().catch(note(true));
  await Promise.all([flow, taken]);
  if (failed.first !== null) throw failed.first;
}

async function decrypted(file: string, identities: readonly string[]): Promise<ReadableStream<Uint8Array>> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    const bytes = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
    return (await decrypter.decrypt(bytes as never)) as unknown as ReadableStream<Uint8Array>;
  } catch (error) {
    if (error instanceof Error && error.message.includes("no identity matched")) throw new HayloftError("backup-key", {}, error);
    throw damaged(error);
  }
}

function entryOf(
  header: { readonly name: string; readonly type?: string | null; readonly size?: number },
  content: AsyncIterable<Uint8Array>,
): ArchiveEntry {
  const name = header.name.replace(/\/$/u, "");
  const kind = header.type === "directory" ? "directory" : "file";
  if (!safeName.test(name) || (header.type !== "file" && header.type !== "directory"))
    throw new HayloftError("backup-damaged", { reason: "an entry that does not belong there" });
  return { name, kind, sizeBytes: header.size ?? 0, content };
}

/** Reading errors of the disk stay what they are; anything else means that the bytes are not those that were written. */
function damaged(error: unknown): unknown {
  if (error instanceof HayloftError) return error;
  const known = diskError(error, "backup");
  return known instanceof HayloftError ? known : new HayloftError("backup-damaged", {}, error);
}
