import { Worker } from "node:worker_threads";
import { pgliteProgram } from "./pglite-program.ts";
import { STARTED_AHEAD } from "./worker-message.ts";

/** A thread that waits to be told what to open, and the program for it; null when it gets that by itself. */
export interface StoreWorker {
  readonly worker: Worker;
  readonly program: WebAssembly.Module | null;
}

let ahead: Worker | null = null;

/**
 * Starts the thread of the next database, which loads PGlite and its program while this one has other things to do. It keeps
 * no process from ending.
 */
export function startAhead(): void {
  if (ahead !== null) return;
  const worker = start(STARTED_AHEAD);
  worker.unref();
  ahead = worker;
  const forget = (): void => {
    if (ahead === worker) ahead = null;
  };
  // Who opens a database then gets a thread of its own, and is told what is wrong with it.
  worker.once("error", forget);
  worker.once("exit", forget);
}

/** The thread that was started ahead, else a new one. */
export async function storeWorker(): Promise<StoreWorker> {
  if (ahead === null) return { program: await pgliteProgram(), worker: start(null) };
  const worker = ahead;
  ahead = null;
  worker.ref();
  return { program: null, worker };
}

const start = (workerData: string | null): Worker => new Worker(new URL("./pglite-worker.js", import.meta.url), { workerData });
