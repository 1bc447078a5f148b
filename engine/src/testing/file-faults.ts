import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";

/**
 * A preload (`node --import`) that records and breaks the file operations of a store under test. The directory named by
 * HAYLOFT_FILE_FAULTS holds `log`, one line for each sync in the store's thread, and may hold `fail-sync`, `fail-write` or `fail-extend`
 * with an error code, which from then on every sync, every write, or every write that lengthens a file fails with there. While
 * it is ENOSPC, the file system says that it has no room.
 */
const place = process.env["HAYLOFT_FILE_FAULTS"];
if (place !== undefined) {
  const { existsSync, readFileSync, statfsSync, writeFileSync } = fs;
  const isFull = (): boolean =>
    ["write", "extend"].some(
      (kind) => existsSync(`${place}/fail-${kind}`) && readFileSync(`${place}/fail-${kind}`, "utf8") === "ENOSPC",
    );
  // What the store writes beside PGlite, such as its lock.
  const guarded = (...args: unknown[]): void => {
    if (existsSync(`${place}/fail-write`))
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    (writeFileSync as (...rest: unknown[]) => void)(...args);
  };
  const told = (path: string): fs.StatsFs => Object.assign(statfsSync(path), isFull() ? { bavail: 0 } : {});
  Object.assign(fs, { statfsSync: told, ...(isMainThread && { writeFileSync: guarded }) });
  syncBuiltinESMExports();
}
if (place !== undefined && !isMainThread) {
  const { appendFileSync, existsSync, fdatasyncSync, fstatSync, fsyncSync, readFileSync, readlinkSync, writeSync } = fs;
  const errnos: Readonly<Record<string, number>> = constants.errno;
  const failIfAsked = (kind: string): void => {
    const file = `${place}/fail-${kind}`;
    if (!existsSync(file)) return;
    const code = readFileSync(file, "utf8");
    throw Object.assign(new Error(code), { code, errno: -(errnos[code] ?? 5) });
  };
  const recorded = (sync: (fd: number) => void) => {
    return (fd: number): void => {
      failIfAsked("sync");
      sync(fd);
      appendFileSync(`${place}/log`, `sync ${readlinkSync(`/proc/self/fd/${fd}`)}\n`);
    };
  };
  const guardedWrite = (...args: unknown[]): number => {
    const [fd, data, , length, position] = args;
    if (typeof data !== "string") failIfAsked("write");
    if (typeof fd === "number" && typeof length === "number" && typeof position === "number")
      if (position + length > fstatSync(fd).size) failIfAsked("extend");
    return (writeSync as (...rest: unknown[]) => number)(...args);
  };
  Object.assign(fs, { fdatasyncSync: recorded(fdatasyncSync), fsyncSync: recorded(fsyncSync), writeSync: guardedWrite });
  syncBuiltinESMExports();
}
