import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { isMissing } from "../../blob/disk-error.ts";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { Database, SqlSession } from "../database.ts";

/** Takes the parts of an image in their order. Names are relative, with `/`. */
export interface ImageSink {
  directory(name: string): Promise<void>;
  /** `content` gives exactly `sizeBytes` bytes. */
  file(name: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Directories whose contents mean nothing to the next start, as Postgres' own base backup leaves them out. */
const emptied = new Set([
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
  "pg_wal",
]);
const leftOut = new Set(["postmaster.pid", "postmaster.opts", "postgresql.auto.conf.tmp", "backup_label", "tablespace_map"]);
const isLeftOut = (name: string): boolean =>
  leftOut.has(name) || name.startsWith("pg_internal.init") || name.startsWith("pgsql_tmp");
const CONTROL = "global/pg_control";

/**
 * Copies the files of an open PGlite database into `sink`, while others go on reading and writing it: Postgres' low-level
 * base backup, with the write-ahead log from its start to its end and the `backup_label` from which the copy recovers by
 * itself. The copy is the database as it was while `atEnd` ran, which alone keeps others waiting; what `atEnd` read is resolved.
 * One at a time per database. Throws what the sink throws, and `store-failed` when the log is not there.
 */
export async function copyRunning<Seen>(
  database: Database,
  dataDir: string,
  sink: ImageSink,
  atEnd: (tx: SqlSession) => Promise<Seen>,
): Promise<Seen> {
  const pgdata = path.join(dataDir, "pgdata");
  const { rows } = await database.query<{ segment: string }>(
    "select pg_walfile_name(pg_backup_start('hayloft', true)) as segment",
  );
  const first = rows[0]?.segment ?? "";
  let running = true;
  try {
    await copyTree(pgdata, "", sink);
    await copyFile(pgdata, CONTROL, sink);
    const end = await database.transaction(async (tx) => {
      const seen = await atEnd(tx);
      const stopped = await tx.query<{ label: string; segment: string }>(
        "select labelfile as label, pg_walfile_name(lsn) as segment from pg_backup_stop(false)",
      );
      running = false;
      return { seen, label: stopped.rows[0]?.label ?? "", last: stopped.rows[0]?.segment ?? "" };
    });
    const label = new TextEncoder().encode(end.label);
    await sink.file("backup_label", label.length, once(label));
    await copyLog(pgdata, first, end.last, sink);
    return end.seen;
  } finally {
    // A database that stays in this mode only writes more log than it must, but the next backup would be refused.
    if (running) await database.query("select pg_backup_stop(false)").catch(() => undefined);
  }
}

async function copyTree(pgdata: string, under: string, sink: ImageSink): Promise<void> {
  const entries = await readdir(path.join(pgdata, under), { withFileTypes: true });
  for (const entry of entries.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
    const name = under === "" ? entry.name : `${under}/${entry.name}`;
    if (isLeftOut(entry.name) || name === CONTROL) continue;
    if (entry.isDirectory()) {
      await sink.directory(name);
      if (!emptied.has(name)) await copyTree(pgdata, name, sink);
    } else if (entry.isFile()) await copyFile(pgdata, name, sink);
  }
}

/** Copies what a file has now. A table that is dropped meanwhile is dropped again by the log, so it may be missing. */
async function copyFile(pgdata: string, name: string, sink: ImageSink): Promise<void> {
  const place = path.join(pgdata, name);
  try {
    const { size } = await stat(place);
    await sink.file(name, size, exactly(place, size));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** The write-ahead log between two segments, both included. */
async function copyLog(pgdata: string, first: string, last: string, sink: ImageSink): Promise<void> {
  const segments = (await readdir(path.join(pgdata, "pg_wal"))).filter(
    (name) => /^[0-9A-F]{24}$/u.test(name) && name >= first && name <= last,
  );
  if (!segments.includes(first) || !segments.includes(last))
    throw new HayloftError("store-failed", { reason: "the log of the backup is not complete", first, last });
  for (const segment of segments.toSorted()) await copyFile(pgdata, `pg_wal/${segment}`, sink);
}

/** A file's first bytes; where it has become shorter, zeros, which the log writes over. */
async function* exactly(place: string, sizeBytes: number): AsyncIterable<Uint8Array> {
  let left = sizeBytes;
  if (left > 0) {
    const source = createReadStream(place, { end: sizeBytes - 1, highWaterMark: 256 * 1024 });
    for await (const chunk of source as AsyncIterable<Buffer>) {
      left -= chunk.length;
      yield chunk;
    }
  }
  for (; left > 0; left -= Math.min(left, 65_536)) yield new Uint8Array(Math.min(left, 65_536));
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
