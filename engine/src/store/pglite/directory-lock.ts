import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { HayloftError } from "../../error/hayloft-error.ts";
import { fullDiskOf } from "./full-disk.ts";
import type { LockHolder } from "./lock-holder.ts";
import { describeHolder, isAlive, parseHolder, thisProcess } from "./lock-holder.ts";
import type { LockSocket } from "./lock-socket.ts";
import { listenOn } from "./lock-socket.ts";

export interface DirectoryLock {
  /** Lets others, and this process, lock the directory again. */
  release(): Promise<void>;
}

/**
 * Locks a directory for this process. Throws `store-locked`, naming the holder, while the holder lives, however long it
 * has been silent or stopped; the lock of a dead process is taken over. Throws `store-full` where not even a lock has room.
 *
 * Lock files are numbered and the highest one counts. Taking over makes the next number, which only one contender can;
 * a number is removed only after a higher one exists. So there is no moment at which a slow contender could remove or
 * replace a lock that it had not judged.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const socket = await listenOn(directory);
  try {
    for (;;) {
      const number = await tryLock(directory, socket);
      if (number !== null) return lockOf(directory, number, socket);
    }
  } catch (error) {
    await socket?.close();
    throw error;
  }
}

/** Tries once; null means that somebody else was quicker and the lock has to be judged again. */
async function tryLock(directory: string, socket: LockSocket | null): Promise<number | null> {
  const highest = Math.max(0, ...lockNumbers(directory));
  if (highest > 0) {
    const holder = parseHolder(readLock(directory, highest));
    if (holder !== null && (await isAlive(holder, directory))) throw new HayloftError("store-locked", describeHolder(holder));
  }
  const number = highest + 1;
  if (!createLock(directory, number, thisProcess(socket?.name ?? null))) return null;
  const all = lockNumbers(directory);
  if (Math.max(...all) !== number) {
    rmSync(lockFile(directory, number), { force: true });
    return null;
  }
  for (const older of all) if (older < number) rmSync(lockFile(directory, older), { force: true });
  removeSockets(directory, socket);
  return number;
}

function lockOf(directory: string, number: number, socket: LockSocket | null): DirectoryLock {
  let released = false;
  return {
    release: async () => {
      if (released) return;
      released = true;
      writeLock(directory, number, null, renameSync);
      await socket?.close();
    },
  };
}

/** Makes a lock file with its content in one step; false when it exists. */
function createLock(directory: string, number: number, holder: LockHolder): boolean {
  try {
    writeLock(directory, number, holder, linkSync);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    const full = fullDiskOf(directory);
    throw full === null ? error : new HayloftError("store-full", full, error);
  }
}

function writeLock(
  directory: string,
  number: number,
  holder: LockHolder | null,
  place: (draft: string, file: string) => void,
): void {
  const file = lockFile(directory, number);
  const draft = `${file}.${process.pid}.${performance.now()}.draft`;
  try {
    writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
    place(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The text of a lock file; empty when a newer holder has just removed it. */
function readLock(directory: string, number: number): string {
  try {
    return readFileSync(lockFile(directory, number), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** Removes the sockets that dead processes left; that of a contender is of no use to it while we hold the lock. */
function removeSockets(directory: string, own: LockSocket | null): void {
  for (const name of readdirSync(directory)) {
    if (name !== own?.name && /^lock-\w+\.sock$/.test(name)) rmSync(path.join(directory, name), { force: true });
  }
}

function lockFile(directory: string, number: number): string {
  return path.join(directory, `lock.${number}`);
}

function lockNumbers(directory: string): number[] {
  return readdirSync(directory).flatMap((name) => (/^lock\.\d+$/.test(name) ? [Number(name.slice(5))] : []));
}
