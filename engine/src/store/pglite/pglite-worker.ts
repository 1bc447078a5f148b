import { parentPort, workerData } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import { isInTransaction } from "./is-in-transaction.ts";
import { joinBytes, scriptRequest } from "./wire-request.ts";
import { openInWorker, openFailureOf } from "./open-in-worker.ts";
import { pgliteProgram, preparePglite, usesKeptCode } from "./pglite-program.ts";
import { STARTED_AHEAD, type WorkerReply, type WorkerRequest, type WorkerStart } from "./worker-message.ts";

/** The worker thread's program: opens the database that the first message names and serves requests until it is closed. */
const port = parentPort;
if (port === null) throw new Error("pglite-worker runs as a worker thread only");

function send(reply: WorkerReply, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(reply, transfer);
}

async function exec(database: PGlite, request: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  // The parts are views into WASM memory that the next part overwrites.
  await database.execProtocolRawStream(request, { syncToFs: false, onRawData: (part) => parts.push(part.slice()) });
  return joinBytes(parts);
}

async function serve(database: PGlite, request: Exclude<WorkerRequest, { kind: "open" }>): Promise<void> {
  try {
    if (request.kind === "exec") {
      const bytes = await exec(database, request.bytes);
      if (request.alone && isInTransaction(bytes)) await exec(database, scriptRequest("rollback"));
      send({ kind: "done", id: request.id, bytes }, [bytes.buffer]);
    } else {
      await database.close();
      send({ kind: "done", id: request.id, bytes: new Uint8Array(0) });
    }
  } catch (error) {
    send({ kind: "failed", id: request.id, reason: error instanceof Error ? error.name : "unknown" });
  }
}

async function open(start: WorkerStart): Promise<PGlite | null> {
  try {
    const program = start.program ?? (await pgliteProgram());
    const { database, durability } = await openInWorker({ ...start, program });
    send({ kind: "opened", durability, program, kept: usesKeptCode() });
    return database;
  } catch (error) {
    send({ kind: "refused", failure: openFailureOf(error, start.dataDir) });
    return null;
  }
}

// Before it is told what to open, in case that it was started ahead.
if (workerData === STARTED_AHEAD) preparePglite();
let last: Promise<PGlite | null> = Promise.resolve(null);
port.on("message", (request: WorkerRequest) => {
  last = last.then(async (database) => {
    if (request.kind === "open") return await open(request.start);
    if (database !== null) await serve(database, request);
    return database;
  });
});
