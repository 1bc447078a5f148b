import type { AddressInfo } from "node:net";
import type { Frame } from "@hayloft/engine";
import { decodeFrame } from "@hayloft/engine";
import { WebSocket, WebSocketServer } from "ws";

/** What to send on instead of a frame: any number of messages, now and in this order. */
export type Rework = (frame: Frame["type"], bytes: Buffer, direction: "up" | "down") => readonly Buffer[];

/** A WebSocket proxy that sees whole frames, so that it can double, drop and swap them. */
export class FrameProxy {
  readonly #server: WebSocketServer;
  #rework: Rework | null = null;

  private constructor(server: WebSocketServer, target: string) {
    this.#server = server;
    server.on("connection", (inside, request) => this.#join(inside, `${target}${request.url ?? ""}`));
  }

  static async listen(targetUrl: string): Promise<FrameProxy> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
    await new Promise<void>((resolve) => {
      server.once("listening", resolve);
    });
    return new FrameProxy(server, targetUrl.replace(/^http/, "ws"));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Reworks frames from now on; null passes them on. */
  rework(rework: Rework | null): void {
    this.#rework = rework;
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(inside: WebSocket, target: string): void {
    const outside = new WebSocket(target, { perMessageDeflate: false });
    const early: Buffer[] = [];
    const pass = (bytes: Buffer, to: WebSocket, direction: "up" | "down"): void => {
      const passed = this.#rework?.(decodeFrame(new Uint8Array(bytes)).type, bytes, direction) ?? [bytes];
      if (to.readyState === WebSocket.OPEN) for (const item of passed) to.send(item);
    };
    outside.on("open", () => early.splice(0).forEach((bytes) => pass(bytes, outside, "up")));
    inside.on("message", (bytes: Buffer) => {
      if (outside.readyState === WebSocket.CONNECTING) early.push(bytes);
      else pass(bytes, outside, "up");
    });
    outside.on("message", (bytes: Buffer) => pass(bytes, inside, "down"));
    for (const [one, two] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      one.on("error", () => one.terminate());
      one.on("close", () => two.terminate());
    }
  }
}
