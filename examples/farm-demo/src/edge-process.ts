import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EdgeStatus } from "@hayloft/edge-node";

export interface EdgeProcessOptions {
  readonly dataDir: string;
  readonly hubUrl: string;
  readonly mqttPort: number;
  readonly httpPort: number;
}

export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  readonly digest: string;
}

const program = fileURLToPath(new URL("../bin/hayloft-edge.js", import.meta.resolve("@hayloft/edge-node")));

/** The edge daemon as a process of its own, as it runs in a barn, so that it can be killed like one. */
export class EdgeProcess {
  readonly #options: EdgeProcessOptions;
  #child: ChildProcess | null = null;

  constructor(options: EdgeProcessOptions) {
    this.#options = options;
    mkdirSync(options.dataDir, { recursive: true });
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.#options.httpPort}`;
  }

  get mqttUrl(): string {
    return `mqtt://127.0.0.1:${this.#options.mqttPort}`;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Enrols the node with a one-time token. */
  async enrol(token: string): Promise<void> {
    const child = this.#spawn(["enrol", "--hub-url", this.#options.hubUrl, "--token", token, "--name", "barn box"]);
    const code = await exitOf(child);
    if (code !== 0) throw new Error(`the enrolment ended with code ${code}; see ${this.#logPath}`);
  }

  /** Starts the daemon and waits until it is ready. */
  async start(readyWithinMs = 60_000): Promise<void> {
    this.#child = this.#spawn(["run"]);
    const deadline = Date.now() + readyWithinMs;
    while (!(await this.#isReady())) {
      if (this.#child.exitCode !== null)
        throw new Error(`the edge ended with code ${this.#child.exitCode}; see ${this.#logPath}`);
      if (Date.now() > deadline) throw new Error(`the edge was not ready within ${readyWithinMs} ms; see ${this.#logPath}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: the daemon drains and closes. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Null while the daemon is not there. */
  async status(): Promise<EdgeStatus | null> {
    return await this.#get<EdgeStatus>("/api/v1/status");
  }

  /** A digest per table of what the edge's own database holds. */
  async digests(): Promise<readonly TableDigest[]> {
    const answer = await this.#get<{ readonly tables: readonly TableDigest[] }>("/api/v1/sync/digest");
    if (answer === null) throw new Error("the edge does not answer");
    return answer.tables;
  }

  get #logPath(): string {
    return join(this.#options.dataDir, "..", "edge.log");
  }

  async #isReady(): Promise<boolean> {
    return (await this.#get("/api/ready")) !== null;
  }

  async #get<Answer>(path: string): Promise<Answer | null> {
    try {
      const response = await fetch(`${this.httpUrl}${path}`, { signal: AbortSignal.timeout(30_000) });
      return response.ok ? ((await response.json()) as Answer) : null;
    } catch (error) {
      // Refused or broken: the daemon is down, which this class is there to bring about.
      if (error instanceof TypeError || error instanceof DOMException) return null;
      throw error;
    }
  }

  #spawn(command: readonly string[]): ChildProcess {
    const { dataDir, hubUrl, mqttPort, httpPort } = this.#options;
    const settings =
      command[0] === "run" ? ["--broker-port", `${mqttPort}`, "--broker-anonymous", "--http-port", `${httpPort}`] : [];
    const hub = command[0] === "run" ? ["--hub-url", hubUrl] : [];
    const child = spawn(process.execPath, [program, ...command, "--data-dir", dataDir, ...hub, ...settings], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createWriteStream(this.#logPath, { flags: "a" });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("close", () => log.end());
    return child;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    child.kill(signal);
    await exitOf(child);
  }
}

const exitOf = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return await new Promise((resolve) => child.once("exit", resolve));
};
