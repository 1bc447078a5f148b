import { isHayloftError } from "@hayloft/engine";

const REPORT_MS = 60_000;
/** A device that is gone says nothing more: what its last message met is no news after that. */
const KNOWN_MS = 5 * 60_000;

/** What has become of groups of messages since the last report of them. */
export interface StoreFailures {
  readonly times: number;
}

/**
 * Knows whether messages can be stored. Devices send what was not stored again and again, so that a full disk fails many times a second: of that
 * is told when it begins, when its reason changes, and once a minute, or the log would fill the disk that is full.
 */
export class StoreHealth {
  #code: string | null = null;
  #times = 0;
  #failedMs = 0;
  #reportedMs = 0;

  /** Why the last group was not stored; null when it was, or when that was long ago. */
  problem(nowMs: number): string | null {
    return nowMs - this.#failedMs > KNOWN_MS ? null : this.#code;
  }

  /** Notes that a group was not stored. Returns what is to be told of it, or null when that was told. */
  failed(error: unknown, nowMs: number): StoreFailures | null {
    const code = isHayloftError(error) ? error.code : "failed";
    this.#times += 1;
    this.#failedMs = nowMs;
    if (code === this.#code && nowMs - this.#reportedMs < REPORT_MS) return null;
    const times = this.#times;
    [this.#code, this.#times, this.#reportedMs] = [code, 0, nowMs];
    return { times };
  }

  /** Notes that a group was stored. Returns true when the one before was not. */
  stored(): boolean {
    if (this.#code === null) return false;
    [this.#code, this.#times] = [null, 0];
    return true;
  }
}
