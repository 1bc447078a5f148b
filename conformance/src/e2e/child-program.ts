import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { BRIEF_NODE } from "@hayloft/engine/testing";
import { until } from "./until.ts";

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A program of ours in a process of its own that a test can kill. */
export class ChildProgram {
  readonly #child: ChildProcess;
  #output = "";
  #ended = false;
  #listening: { readonly text: string; readonly listener: () => void } | null = null;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [...BRIEF_NODE, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString();
        if (this.#listening !== null && this.#output.includes(this.#listening.text)) {
          const { listener } = this.#listening;
          this.#listening = null;
          listener();
        }
      });
    }
    // A run that fails leaves no program behind.
    const kill = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", kill);
    this.#child.once("exit", () => {
      this.#ended = true;
      process.off("exit", kill);
    });
  }

  /** What it has printed. */
  get output(): string {
    return this.#output;
  }

  /** Throws with its output when it has ended. */
  check(): void {
    if (this.#ended) throw new Error(`the program ended: ${this.#output}`);
  }

  /** Calls the listener once when the program has printed the text. */
  onPrinted(text: string, listener: () => void): void {
    this.#listening = { text, listener };
  }

  /** Waits until `/api/ready` answers. */
  async ready(url: string): Promise<void> {
    await until(
      "the program is ready",
      async () => {
        this.check();
        const response = await fetch(`${url}/api/ready`).catch(() => null);
        return response?.status === 200;
      },
      120_000,
    );
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    await until(`the end by ${signal}`, () => this.#ended, 60_000);
  }
}
