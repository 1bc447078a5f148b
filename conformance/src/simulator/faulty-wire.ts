import type { Link, LinkClosed } from "@hayloft/engine";
import { decodeFrame, linkHighWaterBytes } from "@hayloft/engine";
import type { Faults } from "./faults.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface FaultCounts {
  cuts: number;
  halfOpen: number;
  duplicates: number;
  reorders: number;
  crashes: number;
  partitions: number;
  restores: number;
  clones: number;
}

export interface WireWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly faults: () => Faults;
  readonly counts: FaultCounts;
  readonly onDelivered: (to: string, bytes: Uint8Array) => void;
}

/** One connection between two nodes. It loses nothing silently while it lives, except under the faults of the run. */
export class FaultyWire {
  readonly ends: readonly [WireEnd, WireEnd];
  readonly #world: WireWorld;
  broken = false;

  constructor(world: WireWorld, names: readonly [string, string]) {
    this.#world = world;
    this.ends = [new WireEnd(this, world, names[0], true), new WireEnd(this, world, names[1], false)];
    this.ends[0].other = this.ends[1];
    this.ends[1].other = this.ends[0];
  }

  /** The connection breaks in the middle of something. One side may not notice. */
  cut(): void {
    if (this.broken) return;
    this.broken = true;
    const { random, time, counts, faults } = this.#world;
    counts.cuts += 1;
    const [first, second] = this.ends;
    const unaware = random.chance(faults().halfOpen) ? random.pick([first, second]) : null;
    if (unaware !== null) counts.halfOpen += 1;
    for (const end of this.ends)
      if (end !== unaware) time.after(random.between(0, 200), () => end.end({ code: 1006, reason: "" }));
  }

  /** The node of this end is gone. The other side may hear of it. */
  crashed(end: WireEnd): void {
    end.dead = true;
    if (!this.broken) this.cut();
  }
}

export class WireEnd implements Link {
  readonly #wire: FaultyWire;
  readonly #world: WireWorld;
  readonly #name: string;
  /**
   * A WebSocket keeps order, and the pages of a snapshot rely on it. Commits on their way up do not, as each names its place:
   * there some order is broken on purpose, to see gaps found and repaired.
   */
  readonly #reorders: boolean;
  other: WireEnd | null = null;
  dead = false;
  bufferedBytes = 0;
  #freeAtMs = 0;
  #lastAtMs = 0;
  #closed: LinkClosed | null = null;
  #closing = false;
  #listener: ((bytes: Uint8Array) => void) | null = null;
  #closeListener: ((closed: LinkClosed) => void) | null = null;
  #waiting: Uint8Array[] = [];

  constructor(wire: FaultyWire, world: WireWorld, name: string, reorders: boolean) {
    this.#reorders = reorders;
    this.#wire = wire;
    this.#world = world;
    this.#name = name;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed !== null || this.#closing || this.dead) return true;
    const { random, time, counts } = this.#world;
    const faults = this.#world.faults();
    if (random.chance(faults.cut)) this.#wire.cut();
    this.#freeAtMs = Math.max(this.#freeAtMs, time.nowMs) + bytes.length / faults.bytesPerMs;
    this.bufferedBytes += bytes.length;
    time.after(this.#freeAtMs - time.nowMs, () => {
      this.bufferedBytes -= bytes.length;
    });
    const atMs = Math.max(this.#lastAtMs, this.#freeAtMs + random.next() * faults.latencyMsMax);
    const early = this.#reorders && random.chance(faults.reorder) && decodeFrame(bytes).type === "commits";
    if (early) counts.reorders += 1;
    else this.#lastAtMs = atMs;
    this.#deliverAt(early ? time.nowMs + random.next() * faults.latencyMsMax : atMs, bytes);
    if (random.chance(faults.duplicate)) {
      counts.duplicates += 1;
      this.#deliverAt(atMs, bytes);
    }
    return this.bufferedBytes <= linkHighWaterBytes;
  }

  #deliverAt(atMs: number, bytes: Uint8Array): void {
    const { time } = this.#world;
    time.after(atMs - time.nowMs, () => {
      if (!this.#wire.broken) this.other?.deliver(bytes);
    });
  }

  deliver(bytes: Uint8Array): void {
    if (this.#closed !== null || this.dead) return;
    this.#world.onDelivered(this.#name, bytes);
    if (this.#listener === null) this.#waiting.push(bytes);
    else this.#listener(bytes);
  }

  onMessage(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    for (const bytes of this.#waiting.splice(0)) listener(bytes);
  }

  onClose(listener: (closed: LinkClosed) => void): void {
    this.#closeListener = listener;
    if (this.#closed !== null) this.#world.time.after(0, () => this.#tell());
  }

  close(code: number, reason: string): void {
    if (this.#closed !== null || this.#closing) return;
    this.#closing = true;
    const { time } = this.#world;
    const flushedMs = Math.max(this.#lastAtMs - time.nowMs, 0) + 1;
    if (!this.#wire.broken) time.after(flushedMs, () => this.other?.end({ code, reason }));
    time.after(flushedMs + 1, () => this.end({ code, reason }));
  }

  cut(): void {
    this.#wire.cut();
  }

  /** The node of this end is gone. */
  crash(): void {
    this.#wire.crashed(this);
  }

  end(closed: LinkClosed): void {
    if (this.#closed !== null) return;
    this.#closed = closed;
    this.#tell();
  }

  #tell(): void {
    const closed = this.#closed;
    if (closed !== null && !this.dead) this.#closeListener?.(closed);
  }
}
