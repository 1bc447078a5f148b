import { PGlite } from "@electric-sql/pglite";
import { isInTransaction } from "../store/pglite/is-in-transaction.ts";
import { joinBytes, scriptRequest } from "../store/pglite/wire-request.ts";
import { holdsDatabase } from "./holds-database.ts";
import type { BrowserReply, BrowserRequest } from "./browser-message.ts";

/** The program of the web worker: opens PGlite in the browser's storage and serves requests until it is closed. */

/** The whole database is in memory in any case, and making Postgres' buffers is most of an opening. */
const memoryParams: readonly string[] = ["-c", "shared_buffers=16MB", "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"];

let database: PGlite | null = null;
let stored = false;

async function openDatabase({ store, image }: Extract<BrowserRequest, { kind: "open" }>): Promise<PGlite> {
  const isNew = store === null || !(await holdsDatabase(store));
  const begin = isNew && image !== null ? await fetchImage(image) : null;
  return await PGlite.create({
    ...(store !== null && { dataDir: `idb://${store}` }),
    ...(begin !== null && { loadDataDir: begin }),
    startParams: [...PGlite.defaultStartParams, ...memoryParams],
  });
}

/** Null when it cannot be had now; then a new database is made. */
async function fetchImage(address: string): Promise<Blob | null> {
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.blob() : null;
  } catch {
    return null;
  }
}

const send = (reply: BrowserReply, transfer: Transferable[] = []): void => postMessage(reply, { transfer });

async function exec(open: PGlite, request: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await answerTo(open, request);
  // Nothing of an open transaction needs to be kept; its end is answered when it is in the browser's storage.
  if (stored && !isInTransaction(answer)) await keep(open);
  return answer;
}

async function answerTo(open: PGlite, request: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  // The parts are views into WASM memory that the next part overwrites.
  await open.execProtocolRawStream(request, { syncToFs: false, onRawData: (part) => parts.push(part.slice()) });
  return joinBytes(parts);
}

const logEndRequest = scriptRequest("select pg_current_wal_insert_lsn()");
/** The answer to that request, byte by byte, when everything was in the browser's storage last. */
let keptAt = "";

/** Has the browser's storage keep what was written. It looks at each file for that, so it is spared where Postgres' log did not grow. */
async function keep(open: PGlite): Promise<void> {
  const logEnd = (await answerTo(open, logEndRequest)).join();
  if (logEnd === keptAt) return;
  await open.syncToFs();
  keptAt = logEnd;
}

async function serve(request: BrowserRequest): Promise<void> {
  try {
    if (request.kind === "open") {
      database = await openDatabase(request);
      stored = request.store !== null;
      send({ kind: "done", id: request.id, bytes: new Uint8Array(0) });
      return;
    }
    if (database === null) throw new Error("not open");
    if (request.kind === "close") {
      await database.close();
      send({ kind: "done", id: request.id, bytes: new Uint8Array(0) });
      return;
    }
    const bytes = await exec(database, request.bytes);
    if (request.alone && isInTransaction(bytes)) await exec(database, scriptRequest("rollback"));
    send({ kind: "done", id: request.id, bytes }, [bytes.buffer]);
  } catch (error) {
    send({ kind: "failed", id: request.id, reason: reasonOf(error), full: isFull(error) });
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error || error instanceof DOMException ? error.message : "unknown";

/** IndexedDB says so of itself, or its request does in an event. */
function isFull(error: unknown): boolean {
  if (error instanceof Event && error.target instanceof IDBRequest) return isFull(error.target.error);
  if (error instanceof Event && error.target instanceof IDBTransaction) return isFull(error.target.error);
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

let last = Promise.resolve();
addEventListener("message", ({ data }: MessageEvent<BrowserRequest>) => {
  last = last.then(async () => await serve(data));
});
