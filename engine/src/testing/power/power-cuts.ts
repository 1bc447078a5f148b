import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BRIEF_NODE } from "../brief-node.ts";
import { randomOf } from "../random-of.ts";
import type { CutMode, DiskOperation, DiskState } from "./recorded-disk.ts";
import { PagedBytes } from "./paged-bytes.ts";
import { RecordedDisk } from "./recorded-disk.ts";

/** Runs a program on a copy of `base`, and gives everything that it did to the directory below `root` of it. */
export async function recordProgram(
  program: URL,
  options: {
    readonly args: readonly string[];
    readonly root: string;
    readonly record: string;
  },
): Promise<readonly DiskOperation[]> {
  const preload = new URL("./power-recorder.js", import.meta.url).href;
  const child = spawn(process.execPath, [...BRIEF_NODE, "--import", preload, program.pathname, ...options.args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, HAYLOFT_POWER_ROOT: options.root, HAYLOFT_POWER_RECORD: options.record },
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the recorded program ended with ${code}`);
  const lines = readFileSync(options.record, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as DiskOperation);
}

/** The power goes after the first `after` operations of a record; `seed` decides what a torn disk keeps. */
export interface PowerCut {
  readonly after: number;
  readonly mode: CutMode;
  readonly seed: number;
}

/** The states that a disk may have after power cuts in the course of one record, which began with what is in `base`. */
export class PowerCuts {
  readonly record: readonly DiskOperation[];
  readonly #base: string;
  readonly #files = new Map<string, PagedBytes>();

  constructor(base: string, record: readonly DiskOperation[]) {
    this.#base = base;
    this.record = record;
  }

  /** The same beginning with another record. */
  of(record: readonly DiskOperation[]): PowerCuts {
    return new PowerCuts(this.#base, record);
  }

  /** The state after each of `cuts`, in the order of their moments. */
  *states(cuts: readonly PowerCut[]): Generator<readonly [PowerCut, DiskState]> {
    const disk = this.#disk();
    let applied = 0;
    for (const cut of cuts.toSorted((one, other) => one.after - other.after)) {
      for (; applied < cut.after; applied += 1) applyTo(disk, this.record[applied]);
      yield [cut, disk.cut(cut.mode, randomOf(cut.seed))];
    }
  }

  /** What a power cut could still change at each moment at which an operation of these is done: names of files. */
  *uncertainAt(isMoment: (operation: DiskOperation) => boolean): Generator<readonly [DiskOperation, readonly string[]]> {
    const disk = this.#disk();
    for (const operation of this.record) {
      if (isMoment(operation)) yield [operation, disk.uncertain()];
      disk.apply(operation);
    }
  }

  /** Makes `target` a directory with this state; what was there is removed. */
  write(state: DiskState, target: string): void {
    rmSync(target, { recursive: true, force: true });
    cpSync(this.#base, target, { recursive: true });
    for (const [name] of filesOf(this.#base))
      if (!state.has(name)) rmSync(path.join(target, name), { recursive: true, force: true });
    // Directories first: a name sorts after its parent's.
    for (const [name, content] of [...state].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
      const place = path.join(target, name);
      if (content === "directory") mkdirSync(place, { recursive: true, mode: 0o700 });
      else if (content !== null) writeFileSync(place, content.bytes());
    }
  }

  /** A file as it was before the record began. */
  baseOf(file: string): PagedBytes {
    const content = this.#files.get(file) ?? PagedBytes.of(readFileSync(path.join(this.#base, file)));
    this.#files.set(file, content);
    return content;
  }

  #disk(): RecordedDisk {
    return new RecordedDisk(filesOf(this.#base), (file) => this.baseOf(file));
  }
}

function applyTo(disk: RecordedDisk, operation: DiskOperation | undefined): void {
  if (operation === undefined) throw new Error("The cut is after the end of the record.");
  disk.apply(operation);
}

/** The names below a directory, itself first as the empty name. */
function filesOf(directory: string): [string, "file" | "directory"][] {
  const names: [string, "file" | "directory"][] = [["", "directory"]];
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const name = path.relative(directory, path.join(entry.parentPath, entry.name));
    names.push([name, entry.isDirectory() ? "directory" : "file"]);
  }
  return names;
}
