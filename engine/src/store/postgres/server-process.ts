import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { ServerUser } from "./server-user.ts";

/**
 * Runs the server and stops it (SIGINT, a fast shutdown) when standard input closes: when we ask for it, and also when
 * our process is killed, which leaves no other chance to stop a child.
 */
const watchdog = `exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3; kill -INT "$server"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&-
trap '' INT TERM
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"`;

const logCharsMax = 2000;

/** A Postgres server as a child process. */
export class ServerProcess {
  readonly #child: ChildProcess;
  /** Resolves when the server has stopped, asked or not. */
  readonly exited: Promise<void>;
  #ended = false;
  #log = "";

  constructor(program: string, args: readonly string[], user: ServerUser) {
    this.#child = spawn("/bin/sh", ["-c", watchdog, "postgres-watchdog", program, ...args], {
      ...user,
      cwd: "/",
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["pipe", "ignore", "pipe"],
      // Not in our process group: a Ctrl-C is for us, and we stop the server when our own work is done.
      detached: true,
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString("utf8")).slice(-logCharsMax);
    });
    this.exited = new Promise((resolve) => {
      const end = (): void => {
        this.#ended = true;
        // When the server ended by itself, this ends the watchdog's reader.
        this.#child.stdin?.destroy();
        resolve();
      };
      this.#child.once("error", end);
      this.#child.once("exit", end);
    });
  }

  /** True when the server has stopped. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The end of what the server logged. */
  get log(): string {
    return this.#log;
  }

  /** Stops the server and waits for its end. */
  async stop(): Promise<void> {
    if (!this.#ended) this.#child.stdin?.end();
    await this.exited;
  }
}
