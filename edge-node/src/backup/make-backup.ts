import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, stat, statfs } from "node:fs/promises";
import path from "node:path";
import type { Database, SqlSession } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import { diskError, isMissing } from "@hayloft/engine/blob";
import { copyRunning, sumTables } from "@hayloft/engine/pglite";
import { EDGE_VERSION } from "../daemon/edge-version.ts";
import type { BackupManifest } from "./backup-manifest.ts";
import { MANIFEST } from "./backup-manifest.ts";
import { backupName } from "./backup-files.ts";
import type { ArchiveSink } from "./write-archive.ts";
import { writeArchive } from "./write-archive.ts";

export interface BackupRequest {
  readonly database: Database;
  readonly dataDir: string;
  readonly nodeId: string;
  readonly tenant: string;
  /** Where the backup is written; made when it does not exist. */
  readonly directory: string;
  readonly recipients: readonly string[];
  /** Whether the bytes of images are in it, too. */
  readonly media: boolean;
  /** Whether the sums of all tables are taken, for which others wait; without them a check compares the places of all logs. */
  readonly digests: boolean;
  readonly nowMs: () => number;
}

export interface MadeBackup {
  readonly file: string;
  readonly sizeBytes: number;
  readonly manifest: BackupManifest;
  /** How long others waited for the database. */
  readonly heldMs: number;
  readonly tookMs: number;
}

/** What a node is besides its database, and where its parts lie below the data directory. */
export const IDENTITY_FILES = ["identity.json", "enrolment.json"] as const;
export const PGDATA = "database/pgdata";
export const BLOBS = "media/blobs";

/** The disk must have room for the image and this much more, or the backup itself would stop the barn. */
const SPARE_BYTES = 64 * 1024 * 1024;

/**
 * Makes a backup of an open node in `directory`: identity, database, and images when asked. When it resolves, the file is whole,
 * durable, and reads back as it was written. Throws `store-full`, `store-failed`, `sql-failed`; nothing is left then.
 */
export async function makeBackup(request: BackupRequest): Promise<MadeBackup> {
  const startedMs = request.nowMs();
  const started = performance.now();
  await prepareDirectory(request);
  const file = path.join(request.directory, backupName(request.nodeId, startedMs));
  const made: { manifest: BackupManifest | null; heldMs: number } = { manifest: null, heldMs: 0 };
  const { sizeBytes } = await writeArchive(file, request.recipients, async (archive) => {
    const { counted, sums } = counting(archive);
    await addIdentity(request.dataDir, counted);
    const image: ArchiveSink = {
      directory: async (name) => await counted.directory(`${PGDATA}/${name}`),
      file: async (name, size, content) => await counted.file(`${PGDATA}/${name}`, size, content),
    };
    await counted.directory(PGDATA);
    const seen = await copyRunning(request.database, path.join(request.dataDir, "database"), image, async (tx) => {
      const heldFrom = performance.now();
      const state = await readState(tx, request.nowMs(), request.digests);
      made.heldMs = Math.round(performance.now() - heldFrom);
      return state;
    });
    const blobs = request.media ? await addBlobs(request.dataDir, counted) : null;
    const { nodeId, tenant } = request;
    made.manifest = { format: 1, nodeId, tenant, version: EDGE_VERSION, startedMs, ...seen, ...sums(), blobs };
    const content = Buffer.from(JSON.stringify(made.manifest));
    await archive.file(MANIFEST, content.length, once(content));
  });
  if (made.manifest === null) throw new HayloftError("internal-error");
  return {
    file,
    sizeBytes,
    manifest: made.manifest,
    heldMs: made.heldMs,
    tookMs: Math.round(performance.now() - started),
  };
}

async function prepareDirectory({ directory, dataDir }: BackupRequest): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const [{ bavail, bsize }, imageBytes] = [await statfs(directory), await sizeOf(path.join(dataDir, "database"))];
    const [freeBytes, neededBytes] = [bavail * bsize, imageBytes + SPARE_BYTES];
    if (freeBytes < neededBytes) throw new HayloftError("store-full", { directory, freeBytes, neededBytes });
  } catch (error) {
    throw diskError(error, "backup directory");
  }
}

/** Bytes of all files below a directory. */
export async function sizeOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    // Node before 20.12 has `path`, later ones `parentPath`.
    const facts = await stat(path.join(entry.parentPath ?? entry.path, entry.name)).catch(() => null);
    bytes += facts?.size ?? 0;
  }
  return bytes;
}

function counting(archive: ArchiveSink): {
  readonly counted: ArchiveSink;
  readonly sums: () => { readonly files: number; readonly bytes: number };
} {
  let [files, bytes] = [0, 0];
  return {
    counted: {
      directory: async (name) => await archive.directory(name),
      file: async (name, sizeBytes, content) => {
        files += 1;
        bytes += sizeBytes;
        await archive.file(name, sizeBytes, content);
      },
    },
    sums: () => ({ files, bytes }),
  };
}

async function addIdentity(dataDir: string, archive: ArchiveSink): Promise<void> {
  for (const name of IDENTITY_FILES) {
    const content = await readFile(path.join(dataDir, name)).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (content !== null) await archive.file(name, content.length, once(content));
  }
}

/** What the backup's database is, read while nobody else writes. */
async function readState(
  tx: SqlSession,
  atMs: number,
  digests: boolean,
): Promise<Pick<BackupManifest, "atMs" | "heads" | "tables" | "unsentCommits" | "newestCommitMs">> {
  const heads = await tx.query<{ tenant: string; incarnation: string; position: number; seq: number; hash: string }>(
    "select tenant_id as tenant, incarnation::text, position, seq, encode(hash, 'hex') as hash from hayloft.head order by tenant_id",
  );
  const { rows } = await tx.query<{ unsent: number; newest: Date | null }>(
    `select count(*) filter (
        where c.position > coalesce(case when p.acked_incarnation = h.incarnation then p.acked_position end, 0)
          and (p.node_id is null or c.via is distinct from p.node_id)
      )::int as unsent, max(c.sealed_at) as newest
      from hayloft.commit c join hayloft.head h on h.tenant_id = c.tenant_id
      left join hayloft.peer p on p.tenant_id = c.tenant_id and p.relation = 'parent'`,
  );
  return {
    atMs,
    heads: [...heads.rows],
    tables: digests ? [...(await sumTables(tx))] : null,
    unsentCommits: rows[0]?.unsent ?? 0,
    newestCommitMs: rows[0]?.newest?.getTime() ?? null,
  };
}

/** Blobs never change under their name, so they need no common moment; one that goes meanwhile is left out. */
async function addBlobs(dataDir: string, archive: ArchiveSink): Promise<number> {
  const root = path.join(dataDir, BLOBS);
  const shelves = await readdir(root).catch((): string[] => []);
  let count = 0;
  for (const shelf of shelves.toSorted()) {
    for (const name of (await readdir(path.join(root, shelf)).catch((): string[] => [])).toSorted()) {
      const place = path.join(root, shelf, name);
      const facts = await stat(place).catch(() => null);
      if (facts === null) continue;
      await archive.file(`${BLOBS}/${shelf}/${name}`, facts.size, createReadStream(place) as AsyncIterable<Uint8Array>);
      count += 1;
    }
  }
  return count;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
