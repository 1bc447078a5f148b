import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { isMainThread } from "node:worker_threads";
import type { DiskOperation } from "./recorded-disk.ts";

/**
 * A preload (`node --import`) that records what a store does to its disk, for power cuts that are played later. In the
 * store's thread each change and each sync below HAYLOFT_POWER_ROOT becomes a line of the file HAYLOFT_POWER_RECORD; in the
 * main thread so does each line that the program says on standard output, so that the order of the file tells what the disk
 * had been given when something was acknowledged.
 */
const root = process.env["HAYLOFT_POWER_ROOT"];
const record = process.env["HAYLOFT_POWER_RECORD"];

if (root !== undefined && record !== undefined) {
  const real = { ...fs };
  const note = (operation: DiskOperation): void => real.appendFileSync(record, `${JSON.stringify(operation)}\n`);
  Object.assign(fs, isMainThread ? saidBy(real, note) : changesBy(real, note, root));
  syncBuiltinESMExports();
}

type Note = (operation: DiskOperation) => void;

function saidBy(real: typeof fs, note: Note): Partial<typeof fs> {
  return {
    writeSync: (fd: number, ...rest: unknown[]) => {
      const [said] = rest;
      if (fd === 1 && typeof said === "string") note({ kind: "said", line: said.trim() });
      return (real.writeSync as (...args: unknown[]) => number)(fd, ...rest);
    },
  };
}

function changesBy(real: typeof fs, note: Note, top: string): Partial<typeof fs> {
  const below = (place: fs.PathLike): string | null => {
    const found = path.relative(top, path.resolve(String(place)));
    return found.startsWith("..") ? null : found;
  };
  const ofFd = (fd: number): string | null => {
    const place = real.readlinkSync(`/proc/self/fd/${fd}`);
    return place.endsWith(" (deleted)") ? null : below(place);
  };
  const noted = (file: string | null, operation: (file: string) => DiskOperation): void => {
    if (file !== null) note(operation(file));
  };
  return {
    openSync: ((file: fs.PathLike, flags?: fs.OpenMode, mode?: fs.Mode) => {
      const before = real.existsSync(file);
      const fd = real.openSync(file, flags ?? "r", mode);
      if (!before) noted(below(file), (name) => ({ kind: "create", file: name }));
      else if (typeof flags === "number" && (flags & real.constants.O_TRUNC) !== 0) {
        noted(below(file), (name) => ({ kind: "truncate", file: name, size: 0 }));
      }
      return fd;
    }) as typeof fs.openSync,
    writeFileSync: ((file: fs.PathLike, data: string | Uint8Array, options?: fs.WriteFileOptions) => {
      real.writeFileSync(file, data, options);
      noted(below(file), (name) => ({ kind: "create", file: name }));
      if (data.length > 0) noted(below(file), (name) => write(name, 0, Buffer.from(data as Uint8Array)));
    }) as typeof fs.writeFileSync,
    writeSync: ((fd: number, data: Uint8Array, offset: number, length: number, position: number) => {
      const written = real.writeSync(fd, data, offset, length, position);
      noted(ofFd(fd), (name) => write(name, position, Buffer.from(data.buffer, data.byteOffset + offset, written)));
      return written;
    }) as typeof fs.writeSync,
    truncateSync: (file: fs.PathLike, size?: number) => {
      real.truncateSync(file, size);
      noted(below(file), (name) => ({ kind: "truncate", file: name, size: size ?? 0 }));
    },
    ftruncateSync: (fd: number, size?: number) => {
      real.ftruncateSync(fd, size);
      noted(ofFd(fd), (name) => ({ kind: "truncate", file: name, size: size ?? 0 }));
    },
    mkdirSync: ((directory: fs.PathLike, options?: fs.MakeDirectoryOptions) => {
      const made = real.mkdirSync(directory, options);
      noted(below(directory), (name) => ({ kind: "mkdir", file: name }));
      return made;
    }) as typeof fs.mkdirSync,
    renameSync: (from: fs.PathLike, to: fs.PathLike) => {
      real.renameSync(from, to);
      const target = below(to);
      if (target !== null) noted(below(from), (name) => ({ kind: "rename", file: name, to: target }));
    },
    unlinkSync: (file: fs.PathLike) => {
      real.unlinkSync(file);
      noted(below(file), (name) => ({ kind: "unlink", file: name }));
    },
    rmdirSync: (directory: fs.PathLike) => {
      real.rmdirSync(directory);
      noted(below(directory), (name) => ({ kind: "unlink", file: name }));
    },
    fsyncSync: (fd: number) => {
      real.fsyncSync(fd);
      noted(ofFd(fd), (name) => ({ kind: "sync", file: name }));
    },
    fdatasyncSync: (fd: number) => {
      real.fdatasyncSync(fd);
      noted(ofFd(fd), (name) => ({ kind: "sync", file: name }));
    },
  };
}

function write(file: string, at: number, data: Buffer): DiskOperation {
  return { kind: "write", file, at, data: data.toString("base64") };
}
