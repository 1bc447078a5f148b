import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** A program of ours in a process of its own, optimised as in service. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #kill = (): void => void this.#child.kill("SIGKILL");
  #output = "";

  private constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    process.once("exit", this.#kill);
  }

  /** Resolves when it has printed the text. Throws with its output when it ends before. */
  static async start(args: readonly string[], readyText: string): Promise<ServiceProcess> {
    const program = new ServiceProcess(args);
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        program.#output += chunk.toString();
        if (program.#output.includes(readyText)) resolve();
      };
      program.#child.stdout?.on("data", take);
      program.#child.stderr?.on("data", take);
      program.#child.once("exit", () => reject(new Error(`the program ended: ${program.#output}`)));
    });
    return program;
  }

  /** The most memory that was resident up to now, in MiB. */
  get memoryMiB(): number {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(this.#child.pid)}/status`, "utf8"));
    return Number(found?.[1] ?? Number.NaN) / 1_024;
  }

  /** Ends it in good order. */
  async end(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
    process.off("exit", this.#kill);
  }
}
