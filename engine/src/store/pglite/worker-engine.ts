import path from "node:path";
import { getSystemErrorName } from "node:util";
import type { Worker } from "node:worker_threads";
import type { ErrorDetails } from "../../error/hayloft-error.ts";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { Database } from "../database.ts";
import { condemnStore } from "./damage-mark.ts";
import { fullDiskOf } from "./full-disk.ts";
import type { PgliteEngine } from "./pglite-engine.ts";
import { useProgram } from "./pglite-program.ts";
import { type StoreWorker, storeWorker } from "./store-worker.ts";
import { syncUnsupported } from "./sync-path.ts";
import { WorkerFate } from "./worker-fate.ts";
import type { WorkerReply, WorkerRequest } from "./worker-message.ts";

export interface WorkerEngineOptions {
  readonly dataDir: string | null;
  readonly durable: boolean;
  /** See `WorkerStart`. */
  readonly salvage?: boolean;
  readonly image: string | null;
  /** Called when the thread has been told to open. */
  readonly whileOpening?: (() => void) | undefined;
  /** Called once when the engine is lost while it was open. */
  readonly onFatal: (error: HayloftError) => void;
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: HayloftError) => void;
}

/** PGlite in a worker thread of its own, so that no query stops the timers and sockets of this one. */
export class WorkerEngine implements PgliteEngine {
  readonly #worker: Worker;
  readonly #fate = new WorkerFate();
  readonly #options: WorkerEngineOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened: Promise<Database["durability"]>;
  #lastId = 0;
  #state: "opening" | "open" | "closed" | "lost" = "opening";
  #lost: HayloftError | null = null;

  private constructor(options: WorkerEngineOptions, { worker, program }: StoreWorker) {
    this.#options = options;
    const { dataDir, durable, image, salvage = false } = options;
    this.#worker = worker;
    this.#opened = new Promise((resolve, reject) => {
      this.#worker.on("message", (reply: WorkerReply) => {
        if (reply.kind === "opened") {
          if (program === null) useProgram(reply.program, reply.kept);
          this.#state = "open";
          resolve(reply.durability);
        } else if (reply.kind === "refused") reject(new HayloftError(reply.failure.code, reply.failure.details));
        else this.#settle(reply);
      });
      this.#worker.on("error", (error) => this.#lose(error, reject));
      this.#worker.on("exit", () => this.#lose(undefined, reject));
    });
    this.#post({ kind: "open", start: { dataDir, durable, salvage, image, program, fate: this.#fate.buffer } }, []);
  }

  /** Starts the thread and opens the database in it. Throws `store-failed`, `store-full` or `store-unsafe`. */
  static async open(options: WorkerEngineOptions): Promise<{ engine: WorkerEngine; durability: Database["durability"] }> {
    const engine = new WorkerEngine(options, await storeWorker());
    // Awaited below; a handler must be there when it fails meanwhile.
    engine.#opened.catch(() => undefined);
    try {
      options.whileOpening?.();
      return { engine, durability: await engine.#opened };
    } catch (error) {
      await engine.#worker.terminate();
      throw error;
    }
  }

  async exec(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return await this.#send((id) => ({ kind: "exec", id, bytes: request, alone: false }), [request.buffer]);
  }

  async execAlone(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return await this.#send((id) => ({ kind: "exec", id, bytes: request, alone: true }), [request.buffer]);
  }

  async close(): Promise<void> {
    try {
      if (this.#state === "open") await this.#send((id) => ({ kind: "close", id }), []);
    } finally {
      if (this.#state === "open") this.#state = "closed";
      await this.#worker.terminate();
    }
  }

  condemn(found: ErrorDetails): HayloftError {
    const { dataDir, salvage, onFatal } = this.#options;
    if (salvage === true) return new HayloftError("sql-failed", found);
    if (this.#lost !== null) return this.#lost;
    const lost = dataDir === null ? new HayloftError("store-damaged", found) : condemnStore(path.dirname(dataDir), found);
    if (this.#state !== "open") return lost;
    this.#end(lost);
    void this.#worker.terminate();
    onFatal(lost);
    return lost;
  }

  /** Lets the process end although the engine is open. */
  unref(): void {
    this.#worker.unref();
  }

  /** Undoes `unref`. */
  ref(): void {
    this.#worker.ref();
  }

  async #send(request: (id: number) => WorkerRequest, transfer: ArrayBuffer[]): Promise<Uint8Array> {
    if (this.#lost !== null) throw this.#lost;
    if (this.#state !== "open") throw new HayloftError("store-closed");
    this.#lastId += 1;
    const id = this.#lastId;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post(request(id), transfer);
    });
  }

  #post(request: WorkerRequest, transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(request, transfer);
  }

  #settle(reply: WorkerReply): void {
    if (reply.kind !== "done" && reply.kind !== "failed") return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === "done") waiting?.resolve(reply.bytes);
    else waiting?.reject(new HayloftError("store-failed", { reason: reply.reason }));
  }

  /** The thread has ended. Requests that it had not answered may or may not have taken effect. */
  #lose(cause: unknown, reject: (error: HayloftError) => void): void {
    if (this.#state === "closed" || this.#state === "lost") return;
    const wasOpen = this.#state === "open";
    const lost = this.#lossError(cause, !wasOpen);
    this.#end(lost);
    reject(lost);
    if (wasOpen) this.#options.onFatal(lost);
  }

  #end(lost: HayloftError): void {
    this.#state = "lost";
    this.#lost = lost;
    for (const waiting of this.#waiting.values()) waiting.reject(lost);
    this.#waiting.clear();
  }

  #lossError(cause: unknown, opening: boolean): HayloftError {
    const { dataDir } = this.#options;
    const full = dataDir === null ? null : fullDiskOf(dataDir);
    const { reason, errno } = this.#fate;
    const system = errno === 0 ? null : getSystemErrorName(-errno);
    const details: ErrorDetails = {
      reason: reason === "none" ? "thread ended" : reason,
      ...(system === null ? {} : { system }),
      ...full,
    };
    if (opening && system !== null && syncUnsupported.has(system)) return new HayloftError("store-unsafe", details, cause);
    return new HayloftError(full === null ? "store-failed" : "store-full", details, cause);
  }
}
