import { chownSync, cpSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";

/**
 * Copies a running server's files by the low-level functions, as the npm package has no `pg_basebackup`. `pg_backup_start` and
 * `pg_backup_stop` have to be one session's.
 */
export async function baseCopy(connectionString: string, dataDir: string, target: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await client.query("select pg_backup_start('base', true)");
    cpSync(dataDir, target, { recursive: true, preserveTimestamps: true });
    const { rows } = await client.query<{ labelfile: string }>("select labelfile from pg_backup_stop()");
    writeFileSync(path.join(target, "backup_label"), rows[0]?.labelfile ?? "");
    rmSync(path.join(target, "postmaster.pid"), { force: true });
  } finally {
    await client.end();
  }
}

/** Gives a directory and all in it to the owner of another. */
export function ownAs(directory: string, model: string): void {
  const { uid, gid } = statSync(model);
  chownSync(directory, uid, gid);
  for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" }))
    chownSync(path.join(directory, entry), uid, gid);
}
