import type { Extension, PGliteOptions } from "@electric-sql/pglite";
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { Database } from "../database.ts";
import { DurableNodeFs, durableStartParams } from "./durable-node-fs.ts";
import { fullDiskOf } from "./full-disk.ts";
import { loadImage } from "./pglite-image.ts";
import { prepareDirectory } from "./prepare-directory.ts";
import type { FateReason } from "./worker-fate.ts";
import { WorkerFate } from "./worker-fate.ts";
import type { OpenFailure, WorkerStart } from "./worker-message.ts";
import { syncAbove, syncUnsupported } from "./sync-path.ts";

/**
 * Smaller than the defaults: an instance then stays near 300 MB, and the system's page cache stands behind it; and a checkpoint keeps 256 MB of
 * old log for use again instead of 1 GB.
 */
const memoryParams: readonly string[] = ["-c", "shared_buffers=32MB", "-c", "max_wal_size=256MB", "-c", "min_wal_size=32MB"];

/** Pages are taken as they are, those that are none count as empty, and no index of a catalog is believed. */
const salvageParams: readonly string[] = [
  ...PGlite.defaultStartParams,
  "-P",
  "-c",
  "ignore_checksum_failure=on",
  "-c",
  "zero_damaged_pages=on",
];

type Start = WorkerStart & { readonly program: WebAssembly.Module };

/** Opens the database as `start` says. Throws when it cannot; the thread ends when PGlite aborts. */
export async function openInWorker(start: Start): Promise<{ database: PGlite; durability: Database["durability"] }> {
  const fate = new WorkerFate(start.fate);
  const end = (reason: FateReason, errno = 0): void => {
    fate.set(reason, errno);
    // PGlite catches every exception of a statement and goes on. Ending the thread is the one thing that it cannot catch.
    process.exit(1);
  };
  if (start.dataDir === null) return { database: await openInMemory(start, end), durability: "D0" };
  await prepareDirectory(start.dataDir, start.image, start.durable);
  if (start.salvage) return { database: await openOn(new NodeFS(start.dataDir), salvageParams, start, end), durability: "D1" };
  if (!start.durable) {
    const database = await openOn(new NodeFS(start.dataDir), PGlite.defaultStartParams, start, end);
    return { database, durability: "D1" };
  }
  syncAbove(start.dataDir);
  const fs = new DurableNodeFs(start.dataDir, (error) => end("fsync failed", errnoOf(error)));
  const database = await openOn(fs, durableStartParams, start, end);
  await proveSync(database, fs);
  return { database, durability: "D2" };
}

type End = (reason: FateReason, errno?: number) => void;

async function openInMemory({ image, program }: Start, end: End): Promise<PGlite> {
  const archive = await loadImage(image);
  return await PGlite.create(
    optionsOf(PGlite.defaultStartParams, end, { loadDataDir: new Blob([archive]), pgliteWasmModule: program }),
  );
}

async function openOn(fs: NodeFS, startParams: readonly string[], { program }: Start, end: End): Promise<PGlite> {
  return await PGlite.create(optionsOf(startParams, end, { fs, pgliteWasmModule: program }));
}

function optionsOf(startParams: readonly string[], end: End, options: PGliteOptions): PGliteOptions {
  return { ...options, startParams: [...startParams, ...memoryParams], extensions: { watch: watchEnd(end) } };
}

/** Not an extension of the database, but PGlite's way to reach Emscripten's hook for aborts, which is how a PANIC ends. */
function watchEnd(end: End): Extension {
  const onAbort = (): void => end("aborted");
  return {
    name: "watch",
    setup: (_pg, emscriptenOpts) => Promise.resolve({ emscriptenOpts: { ...(emscriptenOpts as object), onAbort } }),
  };
}

/** Commits a transaction that changes no table, and throws `store-unsafe` unless a file was synced for it. */
async function proveSync(database: PGlite, fs: DurableNodeFs): Promise<void> {
  for (const [setting, wanted] of [
    ["fsync", "on"],
    ["full_page_writes", "on"],
    ["synchronous_commit", "on"],
  ] as const) {
    const { rows } = await database.query<Record<string, string>>(`show ${setting}`);
    if (rows[0]?.[setting] !== wanted) throw new HayloftError("store-unsafe", { setting });
  }
  const before = fs.syncCount;
  await database.exec("select pg_logical_emit_message(true, 'hayloft', '')");
  if (fs.syncCount === before) throw new HayloftError("store-unsafe", { reason: "no sync" });
}

/** What the main thread is told when opening fails; a full disk is told from other errors, PGlite only says "aborted". */
export function openFailureOf(error: unknown, dataDir: string | null): OpenFailure {
  const full = dataDir === null ? null : fullDiskOf(dataDir);
  if (full !== null) return { code: "store-full", details: full };
  const system = error instanceof Error && "code" in error ? error.code : null;
  if (typeof system === "string" && syncUnsupported.has(system)) return { code: "store-unsafe", details: { system } };
  if (error instanceof HayloftError && error.code === "store-unsafe") return { code: "store-unsafe", details: error.details };
  if (error instanceof HayloftError && error.code === "store-failed") return { code: "store-failed", details: error.details };
  return { code: "store-failed", details: { reason: "open failed", cause: error instanceof Error ? error.message : "unknown" } };
}

function errnoOf(error: unknown): number {
  const errno = error instanceof Error && "errno" in error ? error.errno : 0;
  return typeof errno === "number" ? errno : 0;
}
