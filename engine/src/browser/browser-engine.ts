import { type ErrorDetails, HayloftError } from "../error/hayloft-error.ts";
import type { PgliteEngine } from "../store/pglite/pglite-engine.ts";
import type { BrowserReply, BrowserRequest } from "./browser-message.ts";

type Unnumbered<Request> = Request extends { readonly id: number } ? Omit<Request, "id"> : never;

interface Waiting {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: HayloftError) => void;
}

/** PGlite in a web worker, so that no query stops the page. */
export class BrowserEngine implements PgliteEngine {
  readonly #worker: Worker;
  readonly #onFatal: (error: HayloftError) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #lost: HayloftError | null = null;

  constructor(worker: Worker, onFatal: (error: HayloftError) => void) {
    this.#worker = worker;
    this.#onFatal = onFatal;
    worker.addEventListener("message", ({ data }: MessageEvent<BrowserReply>) => this.#settle(data));
    worker.addEventListener("error", (event) =>
      this.#lose(new HayloftError("store-failed", { reason: event.message.slice(0, 200) })),
    );
  }

  /** Opens the database. Throws `store-failed`, `store-full`. */
  async open(store: string | null, image: string | null): Promise<void> {
    await this.#send({ kind: "open", store, image }, []);
  }

  async exec(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return await this.#send({ kind: "exec", bytes: request, alone: false }, [request.buffer]);
  }

  async execAlone(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return await this.#send({ kind: "exec", bytes: request, alone: true }, [request.buffer]);
  }

  condemn(found: ErrorDetails): HayloftError {
    const lost = this.#lose(new HayloftError("store-damaged", found));
    this.#worker.terminate();
    return lost;
  }

  async close(): Promise<void> {
    try {
      if (this.#lost === null) await this.#send({ kind: "close" }, []);
    } finally {
      this.#worker.terminate();
    }
  }

  async #send(request: Unnumbered<BrowserRequest>, transfer: Transferable[]): Promise<Uint8Array> {
    if (this.#lost !== null) throw this.#lost;
    this.#lastId += 1;
    const id = this.#lastId;
    return await new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id }, transfer);
    });
  }

  #settle(reply: BrowserReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === "done") waiting?.resolve(reply.bytes);
    else waiting?.reject(new HayloftError(reply.full ? "store-full" : "store-failed", { reason: reply.reason.slice(0, 200) }));
  }

  /** Whether a statement that was running took effect is not known; calls that write have to be safe to repeat. */
  #lose(lost: HayloftError): HayloftError {
    if (this.#lost !== null) return this.#lost;
    this.#lost = lost;
    for (const waiting of this.#waiting.values()) waiting.reject(lost);
    this.#waiting.clear();
    this.#onFatal(lost);
    return lost;
  }
}
