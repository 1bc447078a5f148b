import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { BRIEF_NODE } from "@hayloft/engine/testing";
import { until } from "./edge-fixture.ts";

const FILE_FAULTS = new URL("./file-faults.js", import.meta.resolve("@hayloft/engine/testing")).href;
const BIN = path.resolve(import.meta.dirname, "../../bin/hayloft-edge.js");

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The daemon as a process of its own. */
export class EdgeProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = "";

  /** `faultsDir`: a directory for the engine's `file-faults`. `program`: another installation's, which runs without flags of Node. */
  constructor(args: readonly string[], { faultsDir, program }: { readonly faultsDir?: string; readonly program?: string } = {}) {
    const preload = faultsDir === undefined ? [] : ["--import", FILE_FAULTS];
    const node = program === undefined ? [...BRIEF_NODE, ...preload, BIN] : [...preload, program];
    this.#child = spawn(process.execPath, [...node, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        ...(faultsDir !== undefined && { HAYLOFT_FILE_FAULTS: faultsDir }),
      },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.exited = new Promise((resolve) => this.#child.once("exit", (code) => resolve(code)));
  }

  /** Resolves when it says that it is ready. */
  async ready(httpPort: number): Promise<void> {
    await until(
      "the daemon is ready",
      async () => {
        if (this.#child.exitCode !== null) throw new Error(`the daemon ended: ${this.output}`);
        const response = await fetch(`http://127.0.0.1:${httpPort}/api/ready`).catch(() => null);
        return response?.status === 200;
      },
      120_000,
    );
  }

  kill(signal: "SIGKILL" | "SIGTERM"): void {
    this.#child.kill(signal);
  }
}
