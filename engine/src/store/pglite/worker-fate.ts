/** Why a worker thread ended by itself, as numbers that fit shared memory. */
const reasons = ["none", "fsync failed", "aborted"] as const;

export type FateReason = (typeof reasons)[number];

/**
 * Why the worker ended, in memory shared with the main thread. A message could be lost when the thread ends in the middle
 * of a WASM call; a word in shared memory cannot.
 */
export class WorkerFate {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  get reason(): FateReason {
    return reasons[Atomics.load(this.#words, 0)] ?? "none";
  }

  /** The system's error number of a failed fsync; 0 when there was none. */
  get errno(): number {
    return Atomics.load(this.#words, 1);
  }

  /** The first reason stays: what follows a failure is its consequence. */
  set(reason: FateReason, errno = 0): void {
    const before = Atomics.compareExchange(this.#words, 0, 0, reasons.indexOf(reason));
    if (before === 0) Atomics.store(this.#words, 1, Math.abs(errno));
  }
}
