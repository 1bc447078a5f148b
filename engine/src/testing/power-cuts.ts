import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BRIEF_NODE } from "./brief-node.ts";
import type { CutMode, DiskOperation } from "./recorded-disk.ts";
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

/** The power goes after the first `after` operations of a record. */
export interface PowerCut {
  readonly after: number;
  readonly mode: CutMode;
}

/** Builds the directories that a disk may hold after power cuts in the course of one record. */
export class PowerCuts {
  readonly #base: string;
  readonly #record: readonly DiskOperation[];

  constructor(base: string, record: readonly DiskOperation[]) {
    this.#base = base;
    this.#record = record;
  }

  /** The lines said before the cut: what was acknowledged. */
  saidBefore(cut: PowerCut): readonly string[] {
    return this.#record.slice(0, cut.after).flatMap((operation) => (operation.kind === "said" ? [operation.line] : []));
  }

  /** Makes `target` what the disk holds after `cut`; what was there is removed. */
  build(cut: PowerCut, random: () => number, target: string): void {
    const disk = new RecordedDisk(filesOf(this.#base), (file) => readFileSync(path.join(this.#base, file)));
    for (const operation of this.#record.slice(0, cut.after)) disk.apply(operation);
    const state = disk.cut(cut.mode, random);
    rmSync(target, { recursive: true, force: true });
    cpSync(this.#base, target, { recursive: true });
    for (const [name] of filesOf(this.#base))
      if (!state.has(name)) rmSync(path.join(target, name), { recursive: true, force: true });
    // Directories first: a name sorts after its parent's.
    for (const [name, content] of [...state].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
      const place = path.join(target, name);
      if (content === "directory") mkdirSync(place, { recursive: true, mode: 0o700 });
      else if (content !== null) writeFileSync(place, content);
    }
  }
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
