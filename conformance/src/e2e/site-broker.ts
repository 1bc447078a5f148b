import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { Aedes } from "aedes";

/** A broker that a site runs beside the edge, on one port; a restart keeps its sessions, as a broker with a store does, or loses them. */
export class SiteBroker {
  readonly #sockets = new Set<Socket>();
  readonly #all: Aedes[] = [];
  #server: Server | null = null;
  #port = 0;

  static async start(): Promise<SiteBroker> {
    const broker = new SiteBroker();
    await broker.start("lost");
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }

  /** Ends every connection without a goodbye, and listens no more. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  async start(sessions: "kept" | "lost"): Promise<void> {
    const last = this.#all.at(-1);
    const aedes = await Aedes.createBroker(
      last === undefined || sessions === "lost" ? {} : { persistence: (last as unknown as { persistence: unknown }).persistence },
    );
    this.#all.push(aedes);
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      aedes.handle(socket);
    });
    await new Promise<void>((resolve) => {
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async end(): Promise<void> {
    await this.stop();
    for (const aedes of this.#all) {
      await new Promise<void>((resolve) => {
        aedes.close(() => resolve());
      });
    }
  }
}
