import type { RawData } from "ws";
import { WebSocket } from "ws";
import { HayloftError } from "../../error/hayloft-error.ts";
import { defaultLimits } from "../../protocol/limits.ts";
import type { Dial, Link, LinkClosed } from "../link.ts";
import { linkHighWaterBytes } from "../link.ts";

/** What every WebSocket of ours is set to, on both sides. Compression is ours, per body, with a declared size. */
export const wsLimits = {
  maxPayload: defaultLimits.frameBytesMax,
  perMessageDeflate: false,
  maxFragments: 64,
  maxBufferedChunks: 4_096,
} as const;

const closeWaitMs = 5_000;
const handshakeTimeoutMs = 10_000;

/** A link over a connected `ws` socket. */
export class WsLink implements Link {
  readonly address: string | null;
  readonly #socket: WebSocket;
  #waiting: Uint8Array[] = [];
  #listener: ((bytes: Uint8Array) => void) | null = null;
  #closeListener: ((closed: LinkClosed) => void) | null = null;
  #closed: LinkClosed | null = null;
  #closing = false;

  constructor(socket: WebSocket, address: string | null = null) {
    this.#socket = socket;
    this.address = address;
    socket.binaryType = "nodebuffer";
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("close", (code, reason) => this.#end({ code, reason: reason.toString() }));
    // The `close` event follows every error and says what is needed; without a listener the process would end.
    socket.on("error", () => this.#socket.terminate());
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
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
    if (this.#closing || this.#closed !== null) return;
    this.#closing = true;
    this.#socket.close(code, reason);
    // A peer that does not answer, or does not read what is queued, is cut off.
    const timer = setTimeout(() => this.#socket.terminate(), closeWaitMs);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (!isBinary) {
      this.close(1003, "binary-only");
      return;
    }
    const bytes = bytesOf(data);
    if (this.#listener === null) this.#waiting.push(bytes);
    else this.#listener(bytes);
  }

  #end(closed: LinkClosed): void {
    this.#closed = closed;
    this.#closeListener?.(closed);
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return plain(Buffer.concat(data));
  return data instanceof ArrayBuffer ? new Uint8Array(data) : plain(data);
}

const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

export interface WsDialOptions {
  readonly url: string;
  /** PEM of the certificate authority to trust instead of the system's. */
  readonly ca?: string;
  /** Allow plain `ws://` to another machine. */
  readonly insecure?: boolean;
}

/**
 * Dials a parent over WebSocket. Throws `config-invalid` at once for a url that is not `wss://`, or `ws://` to this
 * machine or with `insecure`.
 */
export function wsDial(options: WsDialOptions): Dial {
  const url = safeUrl(options);
  return async (signal) => {
    const socket = new WebSocket(url, {
      ...wsLimits,
      handshakeTimeout: handshakeTimeoutMs,
      followRedirects: false,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    return await new Promise<Link>((resolve, reject) => {
      const abort = (): void => socket.terminate();
      signal.addEventListener("abort", abort, { once: true });
      socket.once("error", (cause) => {
        signal.removeEventListener("abort", abort);
        reject(new HayloftError("unavailable", { url: url.host }, cause));
      });
      // Before `open` is announced, so that no frame of a quick parent is missed.
      const link = new WsLink(socket);
      socket.once("open", () => {
        signal.removeEventListener("abort", abort);
        resolve(link);
      });
    });
  };
}

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

function safeUrl({ url, insecure }: WsDialOptions): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")) {
    throw new HayloftError("config-invalid", { setting: "parent.url", expected: "wss://host:port/sync" });
  }
  if (parsed.protocol === "ws:" && insecure !== true && !loopback.has(parsed.hostname)) {
    throw new HayloftError("config-invalid", {
      setting: "parent.url",
      reason: "ws:// to another machine can be read on the way; use wss://",
    });
  }
  return parsed;
}
