import { existsSync } from "node:fs";
import path from "node:path";
import { HayloftError, isHayloftError } from "@hayloft/engine";
import { loadIdentity } from "@hayloft/engine/node";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { pruneBackups, removeDrafts } from "./backup-files.ts";
import { type BackupKey, readBackupKey } from "./backup-key.ts";
import { makeBackup } from "./make-backup.ts";

/** What a command tells of a backup, whoever made it. */
export interface BackupReport {
  readonly file: string;
  readonly sizeBytes: number;
  readonly heldMs: number;
  readonly tookMs: number;
}

/**
 * Makes a backup of the node in `data_dir`: by the running daemon, which owns the database, else by opening the directory as the daemon
 * would. `askDaemon` is called when another process has it. Throws `config-invalid` without a node or settings, and what `makeBackup` throws.
 */
export async function backupNode(
  config: EdgeConfig,
  digests: boolean,
  askDaemon: () => Promise<BackupReport>,
): Promise<BackupReport> {
  const dataDir = path.join(config.data_dir, "database");
  if (!existsSync(path.join(dataDir, "pgdata")))
    throw new HayloftError("config-invalid", { setting: "data_dir", problem: "there is no node's database in it" });
  const database = await openPgliteDatabase({ dataDir }).catch((error: unknown) => {
    if (isHayloftError(error, "store-locked")) return null;
    throw error;
  });
  if (database === null) return await askDaemon();
  try {
    const { nodeId, tenant } = loadIdentity(path.join(config.data_dir, "identity.json"));
    const [directory, key] = [directoryOf(config), await keyOf(config)];
    await removeDrafts(directory, nodeId);
    const made = await makeBackup({
      database,
      dataDir: config.data_dir,
      nodeId,
      tenant: tenant ?? "",
      directory,
      recipients: key.recipients,
      media: config["backup.media"],
      digests,
      nowMs: Date.now,
    });
    await pruneBackups(directory, nodeId, config["backup.keep"]);
    return made;
  } finally {
    await database.close();
  }
}

/** The directory of the backups. Throws `config-invalid` when none is set. */
export function directoryOf(config: EdgeConfig): string {
  const directory = config["backup.directory"];
  if (directory !== null) return directory;
  throw new HayloftError("config-invalid", { problems: "backup.directory: is required; give --backup-directory" });
}

/** The key of the settings. Throws `config-invalid` when none is set, or when `toOpen` and it opens nothing. */
export async function keyOf(config: EdgeConfig, toOpen = false): Promise<BackupKey> {
  const file = config["backup.key_file"];
  if (file === null)
    throw new HayloftError("config-invalid", { problems: "backup.key_file: is required; give --backup-key-file" });
  const key = await readBackupKey("backup.key_file", file);
  if (toOpen && key.identities.length === 0) {
    throw new HayloftError("config-invalid", {
      problems: "backup.key_file: holds recipients only; to open a backup give the file with the secret key (AGE-SECRET-KEY-1…)",
    });
  }
  return key;
}
