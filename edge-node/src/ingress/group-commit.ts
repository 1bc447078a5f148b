import { HayloftError } from "@hayloft/engine";

export interface GroupCommitOptions<Item, Result> {
  /** Makes all items durable in one go and answers per item, in order. When it throws, every item fails with that error. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Milliseconds the first item of a group waits for company; 0 writes in the next turn. */
  readonly delayMs: number;
  readonly itemsMax: number;
  readonly bytesMax: number;
  /** Items that may wait; above it `submit` fails with `limit-reached`. */
  readonly pendingMax: number;
  /** Writes that may run at a time; a further one starts only for a full group. */
  readonly writesMax: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers what arrives within a few milliseconds and writes it together: one transaction, one fsync, many messages. What
 * arrives during a write is the next group, so groups grow by themselves under load. A full group is handed over before the
 * one ahead of it is answered, so that the database never waits for us to read its answer.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that wait for their group. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Resolves when the item is durable. Throws `limit-reached` when too much waits, `unavailable` after `close`. */
  submit(item: Item, bytes: number): Promise<Result> {
    if (this.#closed) return Promise.reject(new HayloftError("unavailable", { reason: "shutting down" }));
    if (this.#waiting.length >= this.#options.pendingMax) {
      return Promise.reject(
        new HayloftError("limit-reached", { limit: "ingress.pending_messages_max", value: this.#options.pendingMax }),
      );
    }
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#schedule();
    });
  }

  /** Takes no more items, and resolves when everything that waits has been written. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#waiting.length > 0 || this.#running.size > 0) {
      this.#start();
      await Promise.race(this.#running);
    }
  }

  /** True when a group is full. */
  get #full(): boolean {
    return this.#waiting.length >= this.#options.itemsMax || this.#waitingBytes >= this.#options.bytesMax;
  }

  #schedule(): void {
    if (this.#full) this.#start();
    else if (this.#running.size === 0) this.#timer ??= setTimeout(() => this.#start(), this.#options.delayMs);
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting.length === 0 || this.#running.size >= this.#options.writesMax) return;
    if (this.#running.size > 0 && !this.#full) return;
    const write = this.#writeGroup().finally(() => {
      this.#running.delete(write);
      this.#start();
    });
    this.#running.add(write);
  }

  async #writeGroup(): Promise<void> {
    const group = this.#takeGroup();
    try {
      const results = await this.#options.write(group.map((waiting) => waiting.item));
      for (const [index, waiting] of group.entries()) {
        const result = results[index];
        if (result === undefined) throw new HayloftError("unavailable", { reason: "the write answered too few items" });
        waiting.resolve(result);
      }
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    }
  }

  #takeGroup(): readonly Waiting<Item, Result>[] {
    const { itemsMax, bytesMax } = this.#options;
    let count = 0;
    let bytes = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && (count >= itemsMax || bytes + waiting.bytes > bytesMax)) break;
      count++;
      bytes += waiting.bytes;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}
