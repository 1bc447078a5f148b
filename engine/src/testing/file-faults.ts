import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";

/**
 * A preload (`node --import`) that records and breaks the file operations of a store under test. The directory named by
 * HAYLOFT_FILE_FAULTS holds `log`, one line for each sync in the store's thread, and may hold `fail-sync` or `fail-write`
 * with an error code, which from then on every sync, or every write that lengthens a file, fails with.
 */
const place = process.env["HAYLOFT_FILE_FAULTS"];
if (place !== undefined && !isMainThread) {
  const { appendFileSync, existsSync, fdatasyncSync, fsyncSync, readFileSync, readlinkSync, writeSync } = fs;
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
    if (typeof args[1] !== "string") failIfAsked("write");
    return (writeSync as (...rest: unknown[]) => number)(...args);
  };
  Object.assign(fs, { fdatasyncSync: recorded(fdatasyncSync), fsyncSync: recorded(fsyncSync), writeSync: guardedWrite });
  syncBuiltinESMExports();
}
