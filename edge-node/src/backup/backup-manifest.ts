import { HayloftError } from "@hayloft/engine";
import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(200));

const manifestSchema = v.object({
  format: v.literal(1),
  nodeId: text,
  tenant: text,
  version: text,
  startedMs: count,
  /** The database in the backup is as it was then. */
  atMs: count,
  /** Where each log stood: a restored node shows it to its parent, and the first that parts from it is found. */
  heads: v.pipe(
    v.array(v.object({ tenant: text, incarnation: text, position: count, seq: count, hash: text })),
    v.maxLength(10_000),
  ),
  /** Sums over all rows of all tables, those of the engine too; null when they were not taken. */
  tables: v.nullable(
    v.pipe(v.array(v.object({ table: text, rows: text, high: v.nullable(text), low: v.nullable(text) })), v.maxLength(10_000)),
  ),
  /** Commits that the hub had not acknowledged, and the time of the newest commit. */
  unsentCommits: count,
  newestCommitMs: v.nullable(count),
  files: count,
  bytes: count,
  /** Blobs of images in the backup; null when they were left out. */
  blobs: v.nullable(count),
});

/** The last entry of a backup, which says what must be in it. */
export type BackupManifest = v.InferOutput<typeof manifestSchema>;

export const MANIFEST = "manifest.json";
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

/** Throws `backup-damaged` for anything that this version did not write. */
export function parseManifest(content: Uint8Array): BackupManifest {
  try {
    return v.parse(manifestSchema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content)));
  } catch (error) {
    throw new HayloftError("backup-damaged", { reason: "its manifest is not one that this version reads" }, error);
  }
}
