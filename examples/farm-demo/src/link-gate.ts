import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A TCP proxy between the barn and the internet that can be shut, as a storm does it: open connections break at once. */
export class LinkGate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number | null = null;
  #isOpen = true;
  #bytesUp = 0;
  #bytesDown = 0;

  private constructor() {
    this.#server = createServer((inside) => this.#pass(inside));
  }

  /** Listens on a free port of this machine. Connections are refused until `open` names the target. */
  static async listen(): Promise<LinkGate> {
    const gate = new LinkGate();
    await new Promise<void>((resolve, reject) => {
      gate.#server.once("error", reject);
      gate.#server.listen(0, "127.0.0.1", resolve);
    });
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bytes that passed since the start: up is barn to hub. */
  get bytes(): { readonly up: number; readonly down: number } {
    return { up: this.#bytesUp, down: this.#bytesDown };
  }

  /** Lets connections through to a port of this machine; without an argument to the one named before. */
  open(port?: number): void {
    this.#target = port ?? this.#target;
    this.#isOpen = true;
  }

  cut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(inside: Socket): void {
    if (!this.#isOpen || this.#target === null) {
      inside.destroy();
      return;
    }
    const outside = connect(this.#target, "127.0.0.1");
    for (const socket of [inside, outside]) {
      this.#sockets.add(socket);
      // A broken connection is what this gate is for: both ends see a close, and the pair is forgotten.
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        inside.destroy();
        outside.destroy();
      });
    }
    inside.on("data", (chunk) => (this.#bytesUp += chunk.length));
    outside.on("data", (chunk) => (this.#bytesDown += chunk.length));
    inside.pipe(outside);
    outside.pipe(inside);
  }
}
