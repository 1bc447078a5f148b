import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { runHubCommand } from "../cli/run-hub-command.ts";

const BIN = fileURLToPath(new URL("../../bin/hayloft-hub.js", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the real command to its end, in `directory`, with nothing of this process's `HAYLOFT_…` environment. */
export async function hubCommand(
  args: readonly string[],
  directory: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = startHubCommand(args, directory, env);
  const [code] = await new Promise<[number | null]>((resolve) => child.process.once("close", (exit) => resolve([exit])));
  return { code, out: child.out(), err: child.err() };
}

/** The same command line in this process, for tests of many commands: what `main` runs, without starting Node for each. */
export async function hubCommandHere(args: readonly string[]): Promise<CommandResult> {
  let out = "";
  let err = "";
  const code = await runHubCommand(args, {}, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

export interface RunningCommand {
  readonly process: ChildProcess;
  out(): string;
  err(): string;
  /** The log lines that were written so far. */
  events(): readonly Record<string, unknown>[];
}

export function startHubCommand(
  args: readonly string[],
  directory: string,
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: directory, env: { PATH: process.env["PATH"] ?? "", ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return {
    process: child,
    out: () => out,
    err: () => err,
    events: () =>
      out
        .split("\n")
        .filter((line) => line.startsWith("{") && line.endsWith("}"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}
