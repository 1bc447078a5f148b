import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import { catalogHash } from "../../catalog/catalog-hash.ts";
import type { KeyIdentity } from "../../identity/node-identity.ts";
import type { Frame, HelloFrame } from "../../protocol/frame.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame-codec.ts";
import { proofOf } from "../../session/proof.ts";
import { eventually, harbourCatalog } from "./harbour.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A child that says whatever a test wants. */
export class RawChild {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  closeCode: number | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => this.frames.push(decodeFrame(new Uint8Array(data))));
    socket.on("close", (code) => {
      this.closeCode = code;
    });
    socket.on("error", () => undefined);
  }

  static async connect(url: string): Promise<RawChild> {
    const child = new RawChild(new WebSocket(url, { perMessageDeflate: false }));
    await new Promise((resolve, reject) => {
      child.socket.once("open", resolve);
      child.socket.once("error", reject);
    });
    return child;
  }

  send(frame: Frame): void {
    this.socket.send(encodeFrame(frame));
  }

  async next<Type extends Frame["type"]>(type: Type): Promise<FrameOf<Type>> {
    const found = await eventually(
      async () => this.frames.find((frame): frame is FrameOf<Type> => frame.type === type) ?? null,
      (frame) => frame !== null,
    );
    if (found === null) throw new Error(`no ${type}`);
    return found;
  }

  /** The code of the error frame, and the close code that followed. */
  async refusal(): Promise<{ readonly code: string; readonly closeCode: number | null; readonly details: object }> {
    const { code, details } = await this.next("error");
    await eventually(
      async () => this.closeCode,
      (closeCode) => closeCode !== null,
    );
    return { code, closeCode: this.closeCode, details };
  }

  hello(identity: KeyIdentity, forged: Partial<HelloFrame> = {}): HelloFrame {
    const hello: HelloFrame = {
      type: "hello",
      protocols: [1],
      application: harbourCatalog.name,
      catalogVersion: harbourCatalog.version,
      catalogHash: catalogHash(harbourCatalog),
      tenant: identity.tenant ?? "",
      node: identity.nodeId,
      tier: identity.tier,
      nonce: new Uint8Array(randomBytes(32)),
      extensions: [],
      ...forged,
    };
    this.send(hello);
    return hello;
  }

  /** Hello, and the proof by `key` (by default the identity's own). */
  async greet(
    identity: KeyIdentity,
    options: { readonly forged?: Partial<HelloFrame>; readonly key?: KeyIdentity; readonly credit?: number } = {},
  ): Promise<void> {
    const hello = this.hello(identity, options.forged);
    const welcome = await this.next("welcome");
    const signature = (options.key ?? identity).sign(proofOf("child", hello, welcome.nonce, welcome.node));
    this.send({
      type: "prove",
      signature,
      nowMs: Date.now(),
      heads: [],
      received: [],
      staged: [],
      credit: options.credit ?? 1_000_000,
    });
  }
}
