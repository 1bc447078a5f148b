/**
 * Remembers until when a device needs no new sighting. It only saves work: the statement itself decides, and what is not
 * remembered is written. A group that fails must be forgotten with `forget`.
 */
export class SeenDevices {
  readonly #writtenMs = new Map<string, number>();
  readonly #devicesMax: number;

  constructor(devicesMax = 10_000) {
    this.#devicesMax = devicesMax;
  }

  /** True when a sighting at `seenMs` is so close after the one that was written that it is left out. */
  isRecent(device: string, seenMs: number, withinMs: number): boolean {
    const writtenMs = this.#writtenMs.get(device);
    return writtenMs !== undefined && seenMs < writtenMs + withinMs;
  }

  written(device: string, seenMs: number): void {
    if (this.#writtenMs.size >= this.#devicesMax) this.#writtenMs.clear();
    this.#writtenMs.set(device, seenMs);
  }

  forget(device: string): void {
    this.#writtenMs.delete(device);
  }

  forgetAll(): void {
    this.#writtenMs.clear();
  }
}
