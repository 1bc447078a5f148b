import type { DurabilityLevel } from "@hayloft/engine";
import { decodeFrame } from "@hayloft/engine";
import { FrameProxy } from "./frame-proxy.ts";

/** Reads, between a child and its parent, which levels of durability their acknowledgements name. */
export class AckWitness {
  /** What the child says of what it took, and the parent of what it took, in the order in which they said it. */
  readonly byChild: DurabilityLevel[] = [];
  readonly byParent: DurabilityLevel[] = [];
  readonly #proxy: FrameProxy;

  private constructor(proxy: FrameProxy) {
    this.#proxy = proxy;
    proxy.rework((type, bytes, direction) => {
      const frame = type === "ack" ? decodeFrame(new Uint8Array(bytes)) : null;
      if (frame?.type === "ack") (direction === "up" ? this.byChild : this.byParent).push(frame.level);
      return [bytes];
    });
  }

  /** Before a parent that serves at an address such as `ws://host:port/sync`. */
  static async before(syncUrl: string): Promise<AckWitness> {
    return new AckWitness(await FrameProxy.listen(syncUrl.replace(/\/sync$/, "")));
  }

  /** Where a child dials. */
  get syncUrl(): string {
    return `${this.#proxy.url.replace(/^http/, "ws")}/sync`;
  }

  async close(): Promise<void> {
    await this.#proxy.close();
  }
}
