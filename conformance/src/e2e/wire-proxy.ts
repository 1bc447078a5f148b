import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** What becomes of a piece of the stream: the bytes to pass on, or null to break the connection there. */
export type Mangle = (bytes: Buffer, direction: "up" | "down") => Buffer | null;

/** A TCP proxy between two tiers that a test can cut, hold or let damage what passes. */
export class WireProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held: Socket[] = [];
  #target: number | null = null;
  #state: "open" | "held" | "cut" = "open";
  #mangle: Mangle | null = null;

  private constructor() {
    this.#server = createServer((inside) => this.#arrive(inside));
  }

  /** Listens on a free port; connections are refused until there is a target. */
  static async listen(): Promise<WireProxy> {
    const proxy = new WireProxy();
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  aim(url: string): void {
    this.#target = Number(new URL(url).port);
  }

  /** Breaks what is open and refuses what comes. */
  cut(): void {
    this.#state = "cut";
    this.breakAll();
  }

  /** Breaks what is open; who dials waits until `open`, so that it is back at once then. */
  hold(): void {
    this.#state = "held";
    this.breakAll();
  }

  open(): void {
    this.#state = "open";
    for (const inside of this.#held.splice(0)) this.#pass(inside);
  }

  /** Damages what passes from now on; null passes it on untouched. */
  mangle(mangle: Mangle | null): void {
    this.#mangle = mangle;
  }

  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#held = [];
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #arrive(inside: Socket): void {
    this.#sockets.add(inside);
    inside.on("error", () => inside.destroy());
    inside.on("close", () => {
      this.#sockets.delete(inside);
      this.#held = this.#held.filter((socket) => socket !== inside);
    });
    if (this.#state === "cut" || this.#target === null) inside.destroy();
    else if (this.#state === "held") this.#held.push(inside.pause());
    else this.#pass(inside);
  }

  #pass(inside: Socket): void {
    const outside = connect(this.#target ?? 0, "127.0.0.1");
    this.#sockets.add(outside);
    outside.on("error", () => outside.destroy());
    outside.on("close", () => {
      this.#sockets.delete(outside);
      inside.destroy();
    });
    inside.on("close", () => outside.destroy());
    this.#carry(inside, outside, "up");
    this.#carry(outside, inside, "down");
  }

  #carry(from: Socket, to: Socket, direction: "up" | "down"): void {
    from.on("data", (bytes: Buffer) => {
      const passed = this.#mangle === null ? bytes : this.#mangle(bytes, direction);
      if (passed === null) {
        from.destroy();
        to.destroy();
        return;
      }
      if (!to.write(passed)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("end", () => to.end());
    from.resume();
  }
}
