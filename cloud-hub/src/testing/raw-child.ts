import { randomBytes } from "node:crypto";
import type { Frame, KeyIdentity } from "@hayloft/engine";
import { catalogHash, decodeFrame, encodeFrame } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { WebSocket } from "ws";

type HelloFrame = Extract<Frame, { type: "hello" }>;
type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A child that says whatever a test wants, frame by frame, over a real socket. */
export class RawChild {
  readonly received: Frame[] = [];
  readonly #socket: WebSocket;
  #closed: { readonly code: number } | null = null;
  #wake: () => void = () => undefined;

  constructor(url: string) {
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket.binaryType = "nodebuffer";
    this.#socket.on("message", (data: Buffer) => {
      this.received.push(decodeFrame(new Uint8Array(data)));
      this.#wake();
    });
    this.#socket.on("close", (code) => {
      this.#closed = { code };
      this.#wake();
    });
    this.#socket.on("error", () => this.#wake());
  }

  async open(): Promise<this> {
    if (this.#socket.readyState !== WebSocket.OPEN)
      await new Promise<void>((resolve) => this.#socket.once("open", () => resolve()));
    return this;
  }

  send(frame: Frame): void {
    this.#socket.send(encodeFrame(frame));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  close(): void {
    this.#socket.terminate();
  }

  /** The first frame of that type, now or when it comes; null when the socket closes first. */
  async frame<Type extends Frame["type"]>(type: Type, withinMs = 10_000): Promise<FrameOf<Type> | null> {
    const isWanted = (frame: Frame): frame is FrameOf<Type> => frame.type === type;
    return await this.#first(isWanted, `a ${type} frame`, withinMs);
  }

  /** The first frame that `isWanted` takes, now or when it comes; null when the socket closes first. */
  async answer(isWanted: (frame: Frame) => boolean, withinMs = 10_000): Promise<Frame | null> {
    return await this.#first((frame): frame is Frame => isWanted(frame), "the frame that was waited for", withinMs);
  }

  async #first<Wanted extends Frame>(
    isWanted: (frame: Frame) => frame is Wanted,
    what: string,
    withinMs: number,
  ): Promise<Wanted | null> {
    const giveUpAt = performance.now() + withinMs;
    for (;;) {
      const found = this.received.find(isWanted);
      if (found !== undefined) return found;
      if (this.#closed !== null) return null;
      if (performance.now() > giveUpAt) throw new Error(`${what} did not come within ${withinMs} ms`);
      await this.#next();
    }
  }

  /** The close code, when the socket has closed. */
  async closed(withinMs = 10_000): Promise<number> {
    const giveUpAt = performance.now() + withinMs;
    while (this.#closed === null) {
      if (performance.now() > giveUpAt) throw new Error(`not closed within ${withinMs} ms`);
      await this.#next();
    }
    return this.#closed.code;
  }

  /** The handshake with any part forged. Resolves with the grant's frame, or null when it was refused. */
  async handshake(
    identity: KeyIdentity,
    forged: Partial<HelloFrame> = {},
    proven: Partial<FrameOf<"prove">> = {},
  ): Promise<FrameOf<"ready"> | null> {
    await this.open();
    const hello = { ...helloOf(identity), ...forged };
    this.send(hello);
    const welcome = await this.frame("welcome");
    if (welcome === null) return null;
    const signature = identity.sign(childProof(hello, welcome.nonce, welcome.node));
    this.send({ type: "prove", signature, nowMs: Date.now(), heads: [], received: [], staged: [], credit: 1_000_000, ...proven });
    return await this.frame("ready");
  }

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 100);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function helloOf(identity: KeyIdentity): HelloFrame {
  return {
    type: "hello",
    protocols: [1],
    application: farmCatalog.name,
    catalogVersion: farmCatalog.version,
    catalogHash: catalogHash(farmCatalog),
    tenant: identity.tenant ?? "",
    node: identity.nodeId,
    tier: identity.tier,
    nonce: new Uint8Array(randomBytes(32)),
    extensions: [],
  };
}

/** What the protocol says a child signs: its role, both nonces, both ids. Written out here, so that a change of it shows. */
function childProof(hello: HelloFrame, parentNonce: Uint8Array, parent: string): Uint8Array {
  return new Uint8Array(
    Buffer.concat([Buffer.from("hayloft/1 child"), hello.nonce, parentNonce, Buffer.from(hello.node), Buffer.from(parent)]),
  );
}
