import { HayloftError } from "../../error/hayloft-error.ts";
import type { Dial, Link, LinkClosed } from "../link.ts";
import { linkHighWaterBytes } from "../link.ts";

/** A link over the platform's own WebSocket, in a browser or a worker. */
class BrowserLink implements Link {
  readonly #socket: WebSocket;
  #waiting: Uint8Array[] = [];
  #listener: ((bytes: Uint8Array) => void) | null = null;
  #closeListener: ((closed: LinkClosed) => void) | null = null;
  #closed: LinkClosed | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => this.#receive(data));
    socket.addEventListener("close", ({ code, reason }) => {
      this.#closed = { code, reason };
      this.#closeListener?.(this.#closed);
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array): boolean {
    // A view of shared memory cannot be sent; a copy can.
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new Uint8Array(bytes));
    return this.#socket.bufferedAmount <= linkHighWaterBytes;
  }

  onMessage(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    for (const bytes of this.#waiting.splice(0)) listener(bytes);
  }

  onClose(listener: (closed: LinkClosed) => void): void {
    this.#closeListener = listener;
    const closed = this.#closed;
    if (closed !== null) queueMicrotask(() => listener(closed));
  }

  close(code: number, reason: string): void {
    // Browsers let a page send only 1000 and 3000 to 4999.
    this.#socket.close(code === 1000 || code >= 3_000 ? code : 4_000, reason);
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) {
      this.close(4_003, "binary-only");
      return;
    }
    const bytes = new Uint8Array(data);
    if (this.#listener === null) this.#waiting.push(bytes);
    else this.#listener(bytes);
  }
}

/** Dials a parent from a page. Throws `config-invalid` for a url that is neither `ws://` nor `wss://`. */
export function browserDial(options: { readonly url: string }): Dial {
  if (!/^wss?:\/\//u.test(options.url))
    throw new HayloftError("config-invalid", { setting: "parent.url", expected: "wss://host:port/sync" });
  return async (signal) => {
    const socket = new WebSocket(options.url);
    socket.binaryType = "arraybuffer";
    const link = new BrowserLink(socket);
    return await new Promise<Link>((resolve, reject) => {
      signal.addEventListener("abort", () => socket.close(), { once: true });
      socket.addEventListener("open", () => resolve(link), { once: true });
      socket.addEventListener("error", () => reject(new HayloftError("unavailable", {})), { once: true });
    });
  };
}
