import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { HayloftError } from "../../error/hayloft-error.ts";

const waitMsMax = 15_000;

/**
 * Waits for a server that is still shutting down on `dataDir`, then removes the pid file that a killed server left.
 * Postgres removes it by itself, except when another process got the same pid, which is common in containers. Throws
 * `store-locked` when a server keeps running.
 */
export async function clearStalePidFile(dataDir: string): Promise<void> {
  const deadlineMs = performance.now() + waitMsMax;
  for (;;) {
    const pid = serverPid(dataDir);
    if (pid === null) return;
    if (!isServer(pid, dataDir)) break;
    if (performance.now() > deadlineMs) throw new HayloftError("store-locked", { pid });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // Without /proc we cannot tell, and leave it to Postgres.
  if (process.platform === "linux") await rm(path.join(dataDir, "postmaster.pid"), { force: true });
}

function serverPid(dataDir: string): number | null {
  const text = readOrNull(path.join(dataDir, "postmaster.pid"));
  return text === null ? null : Number(text.split("\n")[0]);
}

/** Whether the process is a server on this directory. */
function isServer(pid: number, dataDir: string): boolean {
  const commandLine = readOrNull(`/proc/${pid}/cmdline`);
  if (commandLine === null) return false;
  const args = commandLine.split("\0");
  return args.includes(dataDir) && (args[0] ?? "").endsWith("postgres");
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Absent, which is the usual case.
    return null;
  }
}
