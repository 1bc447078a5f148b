import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { HayloftError } from "@hayloft/engine";
import { diskError } from "@hayloft/engine/blob";
import { openPgliteDatabase, sumTables } from "@hayloft/engine/pglite";
import type { BackupManifest } from "./backup-manifest.ts";
import { MANIFEST, MANIFEST_BYTES_MAX, parseManifest } from "./backup-manifest.ts";
import { BLOBS, IDENTITY_FILES, PGDATA } from "./make-backup.ts";
import { type ArchiveEntry, readArchive } from "./read-archive.ts";

const isKnown = (name: string): boolean =>
  (IDENTITY_FILES as readonly string[]).includes(name) ||
  name === PGDATA ||
  name.startsWith(`${PGDATA}/`) ||
  new RegExp(`^${BLOBS}/[0-9a-f]{2}/[0-9a-f]{64}$`, "u").test(name);

/**
 * Unpacks a backup into a directory that is empty. When it resolves, everything that the manifest names is
 * there, byte for byte. Throws `backup-key`, `backup-damaged`, `not-found`, `store-full`, `store-failed`; what is in the
 * directory then is of no use.
 */
export async function unpackBackup(file: string, identities: readonly string[], directory: string): Promise<BackupManifest> {
  return await takeAll(file, identities, async (entry) => {
    const place = path.join(directory, entry.name);
    await mkdir(entry.kind === "directory" ? place : path.dirname(place), { recursive: true, mode: 0o700 });
    if (entry.kind === "file") await pipeline(entry.content, createWriteStream(place, { flags: "wx", mode: 0o600 }));
  });
}

/** Reads a backup to its end without keeping anything: every byte is authentic and the manifest agrees. Throws like `unpackBackup`. */
export async function readBackup(file: string, identities: readonly string[]): Promise<BackupManifest> {
  return await takeAll(file, identities, async ({ content }) => {
    for await (const chunk of content) void chunk;
  });
}

async function takeAll(
  file: string,
  identities: readonly string[],
  take: (entry: ArchiveEntry) => Promise<void>,
): Promise<BackupManifest> {
  let [files, bytes] = [0, 0];
  const found: { manifest: BackupManifest | null } = { manifest: null };
  await readArchive(file, identities, async (entry) => {
    if (found.manifest !== null) throw new HayloftError("backup-damaged", { reason: "it goes on behind its manifest" });
    if (entry.name === MANIFEST) {
      found.manifest = parseManifest(await whole(entry));
      return;
    }
    if (!isKnown(entry.name)) throw new HayloftError("backup-damaged", { reason: "an entry that does not belong there" });
    if (entry.kind === "file") {
      files += 1;
      bytes += entry.sizeBytes;
    }
    await take(entry).catch((error: unknown) => {
      throw diskError(error, "file");
    });
  });
  const { manifest } = found;
  if (manifest === null || manifest.files !== files || manifest.bytes !== bytes)
    throw new HayloftError("backup-damaged", { reason: "parts are missing" });
  return manifest;
}

async function whole({ sizeBytes, content }: ArchiveEntry): Promise<Uint8Array> {
  if (sizeBytes > MANIFEST_BYTES_MAX) throw new HayloftError("backup-damaged", { reason: "its manifest is too large" });
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Opens the database of an unpacked backup, which recovers to its moment, reads every row, and compares the places of all logs and, where
 * they were taken, the sums of all tables with the manifest. Throws `backup-differs` with the tables, `store-damaged` for a damaged page. `durable` false for a directory that is thrown away.
 */
export async function checkUnpacked(directory: string, manifest: BackupManifest, durable: boolean): Promise<void> {
  const database = await openPgliteDatabase({ dataDir: path.join(directory, "database"), durable });
  try {
    const [tables, heads] = await database.transaction(async (tx) => [
      await sumTables(tx),
      (
        await tx.query<BackupManifest["heads"][number]>(
          "select tenant_id as tenant, incarnation::text, position, seq, encode(hash, 'hex') as hash from hayloft.head order by tenant_id",
        )
      ).rows,
    ]);
    const now = new Map(tables.map((sum) => [sum.table, JSON.stringify(sum)]));
    const saved = manifest.tables ?? tables;
    const differing = saved.filter((sum) => now.get(sum.table) !== JSON.stringify(sum)).map(({ table }) => table);
    if (differing.length > 0 || tables.length !== saved.length)
      throw new HayloftError("backup-differs", { tables: differing.slice(0, 20).join(", ") });
    if (JSON.stringify(heads) !== JSON.stringify(manifest.heads))
      throw new HayloftError("backup-differs", { tables: "hayloft.head" });
  } finally {
    await database.close();
  }
}
