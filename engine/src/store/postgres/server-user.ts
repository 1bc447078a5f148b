import { runCommand } from "./run-command.ts";

/** The user that the server runs as; empty for our own. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root, so root starts it as the system's user `postgres`, which is made when it is missing. */
export async function findServerUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {};
  try {
    return await idsOf("postgres");
  } catch {
    // There is no such user yet.
    await runCommand("useradd", ["--system", "--user-group", "postgres"], {});
    return await idsOf("postgres");
  }
}

async function idsOf(name: string): Promise<ServerUser> {
  const [uid, gid] = await Promise.all([runCommand("id", ["-u", name], {}), runCommand("id", ["-g", name], {})]);
  return { uid: Number(uid), gid: Number(gid) };
}
