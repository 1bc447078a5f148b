import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { isMissing } from "@hayloft/engine/blob";
import { DRAFT_SUFFIX } from "./write-archive.ts";

export interface BackupFile {
  readonly file: string;
  /** When it was begun. */
  readonly atMs: number;
}

const SUFFIX = ".tar.gz.age";

/** `hayloft-<node>-20261126T175400123Z.tar.gz.age`: in the order of their names, backups of a node are in the order of time. */
export const backupName = (nodeId: string, atMs: number): string =>
  `hayloft-${nodeId}-${new Date(atMs).toISOString().replaceAll(/[-:.]/gu, "")}${SUFFIX}`;

/** A node's whole backups in a directory, the newest first. */
export async function listBackups(directory: string, nodeId: string): Promise<readonly BackupFile[]> {
  const names = await readdir(directory).catch((error: unknown): string[] => {
    if (isMissing(error)) return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const atMs = timeOf(name, nodeId);
      return atMs === null ? [] : [{ file: path.join(directory, name), atMs }];
    })
    .toSorted((left, right) => right.atMs - left.atMs);
}

/** Removes what backups of this node that were cut off have left. Only while none is being made. */
export async function removeDrafts(directory: string, nodeId: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (name.startsWith(`hayloft-${nodeId}-`) && name.endsWith(`${SUFFIX}${DRAFT_SUFFIX}`)) await rm(path.join(directory, name));
  }
}

/** Removes all but the newest `keep` backups of a node; returns how many went. */
export async function pruneBackups(directory: string, nodeId: string, keep: number): Promise<number> {
  const old = (await listBackups(directory, nodeId)).slice(keep);
  for (const { file } of old) await rm(file, { force: true });
  return old.length;
}

function timeOf(name: string, nodeId: string): number | null {
  const prefix = `hayloft-${nodeId}-`;
  if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) return null;
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/u.exec(name.slice(prefix.length, -SUFFIX.length));
  if (parts === null) return null;
  const [, year, month, day, hour, minute, second, ms] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}
