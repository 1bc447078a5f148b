import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BRIEF_NODE } from "@hayloft/engine/testing";
import type { TestEdge } from "./test-edge.ts";
import type { TestHub } from "./test-hub.ts";

const binary = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], cwd: string): Promise<CommandResult> {
  const child = spawn(process.execPath, [...BRIEF_NODE, ...args], { cwd, env: { PATH: process.env["PATH"] ?? "" } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

/** The real `hayloft-hub` and `hayloft-edge` commands, in processes of their own, against a hub and edges of this one. */
export class CommandLine {
  readonly directory: string;
  /** For `http.admin_token_file` of an edge that is to be asked. */
  readonly tokenFile: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.tokenFile = join(directory, "token");
  }

  static async create(): Promise<CommandLine> {
    const line = new CommandLine(await mkdtemp(join(tmpdir(), "hayloft-cli-")));
    await writeFile(line.tokenFile, "a token of the test\n", { mode: 0o600 });
    return line;
  }

  async hub(hub: TestHub, ...args: readonly string[]): Promise<CommandResult> {
    const url = new URL(hub.databaseUrl);
    await writeFile(join(this.directory, "password"), `${url.password}\n`, { mode: 0o600 });
    url.password = "";
    await writeFile(join(this.directory, "hub.yaml"), `database:\n  url: ${url.href}\n  password_file: password\n`);
    return await run([binary("cloud-hub/bin/hayloft-hub.js"), "--config", "hub.yaml", ...args], this.directory);
  }

  async edge(edge: TestEdge, ...args: readonly string[]): Promise<CommandResult> {
    const { port } = new URL(edge.daemon.httpUrl);
    const settings = ["--data-dir", edge.dataDir, "--http-port", port, "--http-admin-token-file", this.tokenFile];
    return await run([binary("edge-node/bin/hayloft-edge.js"), ...args, ...settings], this.directory);
  }

  async end(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
