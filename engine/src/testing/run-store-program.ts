import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { BRIEF_NODE } from "./brief-node.ts";

/** A running `store-program`. */
export interface StoreProgram {
  readonly pid: number;
  /** Lines printed so far. */
  readonly lines: readonly string[];
  /** Waits for a line that starts with `start`. Throws when the program ends without it. */
  line(start: string): Promise<string>;
  /** Sends a signal; after SIGKILL waits for the end. */
  signal(signal: NodeJS.Signals): Promise<void>;
  readonly ended: Promise<void>;
}

export interface StoreProgramOptions {
  readonly dataDir: string;
  readonly durable?: boolean;
  readonly rows?: number;
  /** A directory for `file-faults`. */
  readonly faultsDir?: string;
}

/** Starts `store-program`; it is killed when the running test has finished. */
export function runStoreProgram(options: StoreProgramOptions): StoreProgram {
  const program = new URL("./store-program.js", import.meta.url).pathname;
  const preload = options.faultsDir === undefined ? [] : ["--import", new URL("./file-faults.js", import.meta.url).href];
  const args = [...BRIEF_NODE, ...preload, program, options.dataDir, String(options.durable ?? true), String(options.rows ?? 0)];
  const child = spawn(process.execPath, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...(options.faultsDir === undefined ? {} : { HAYLOFT_FILE_FAULTS: options.faultsDir }) },
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  let rest = "";
  let hasEnded = false;
  child.stdout.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString("utf8")).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => {
      hasEnded = true;
      resolve();
      for (const watcher of watchers) watcher();
    });
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    line: async (start) => {
      return await new Promise((resolve, reject) => {
        const watcher = (): void => {
          const line = lines.find((candidate) => candidate.startsWith(start));
          if (line === undefined && !hasEnded) return;
          watchers.delete(watcher);
          if (line === undefined) reject(new Error(`The program ended without "${start}": ${lines.slice(-5).join(" | ")}`));
          else resolve(line);
        };
        watchers.add(watcher);
        watcher();
      });
    },
    signal: async (signal) => {
      child.kill(signal);
      if (signal === "SIGKILL") await ended;
    },
  };
}
