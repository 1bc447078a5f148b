import { createServer, connect } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** A TCP proxy that breaks connections in the middle of whatever goes through them. */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #leftBytes: number | null = null;
  /** While true nobody gets through. */
  blocked = false;
  #blockNext = false;
  cuts = 0;

  static async open(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.blocked) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/sync`;
  }

  /** As `cutAfter`, and then nobody gets through any more. */
  blockAfter(bytes: number): void {
    this.#leftBytes = bytes;
    this.#blockNext = true;
  }

  /** Cuts everything once so many more bytes have gone through, in either direction; null: no more cuts. */
  cutAfter(bytes: number | null): void {
    this.#leftBytes = bytes;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("data", (data) => {
      if (this.#leftBytes === null) {
        to.write(data);
        return;
      }
      const part = data.subarray(0, this.#leftBytes);
      this.#leftBytes -= part.length;
      if (this.#leftBytes > 0) {
        to.write(part);
        return;
      }
      this.#leftBytes = null;
      to.write(part, () => this.#cut());
    });
  }

  #cut(): void {
    this.cuts += 1;
    this.blocked = this.#blockNext;
    this.#blockNext = false;
    for (const socket of this.#sockets) socket.destroy();
  }
}
