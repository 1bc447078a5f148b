interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** A clock that jumps from event to event. Events of one instant run in the order in which they were scheduled. */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  readonly #heap: Scheduled[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Runs `run` after `delayMs`; returns the canceller. */
  after(delayMs: number, run: () => void): () => void {
    this.#order += 1;
    const scheduled: Scheduled = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run, cancelled: false };
    this.#push(scheduled);
    return () => {
      scheduled.cancelled = true;
    };
  }

  async sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.after(delayMs, resolve));
  }

  /** Runs everything up to `untilMs`, letting all promises settle between two events. */
  async run(untilMs: number): Promise<void> {
    for (let next = this.#pop(untilMs); next !== null; next = this.#pop(untilMs)) {
      this.#nowMs = next.atMs;
      this.#steps += 1;
      next.run();
      await settled();
    }
    this.#nowMs = untilMs;
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(item, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = item;
  }

  #pop(untilMs: number): Scheduled | null {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined || first.atMs > untilMs) return null;
      const last = this.#heap.pop();
      if (last !== undefined && last !== first) this.#sink(last);
      if (!first.cancelled) return first;
    }
  }

  #sink(item: Scheduled): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && before(right, left)) {
        least = right;
        child += 1;
      }
      if (!before(least, item)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = item;
  }
}

const before = (a: Scheduled, b: Scheduled): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Resolves when no promise can make progress any more without another event. */
const settled = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));
