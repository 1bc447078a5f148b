import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** One message that waits for the broker. */
export interface BufferedMessage {
  /** The envelope's event id: stable over retries. */
  readonly id: string;
  readonly topic: string;
  readonly body: string;
  /** The event's own time, milliseconds since 1970: replay goes by it. */
  readonly atMs: number;
  /** What must be kept when the buffer is full (created and finalized sessions). */
  readonly keep: boolean;
}

export interface BufferLimits {
  readonly messagesMax: number;
  readonly ageMsMax: number;
}

/** The domain's rule for telemetry: six hours or 360 messages, the oldest dropped. */
export const telemetryLimits: BufferLimits = { messagesMax: 360, ageMsMax: 6 * 3_600_000 };
/** The domain's rule for weigh events: 72 hours or 10,000 events; created and finalized are kept longest. */
export const weighLimits: BufferLimits = { messagesMax: 10_000, ageMsMax: 72 * 3_600_000 };

type Line = { readonly put: BufferedMessage } | { readonly done: string };

/**
 * A device's buffer in an append-only file: it survives a reboot, and taking one message out never touches another that
 * was appended meanwhile. A torn last line (power cut) is dropped when the file is read.
 */
export class OfflineBuffer {
  readonly #path: string | null;
  readonly #limits: BufferLimits;
  readonly #waiting = new Map<string, BufferedMessage>();
  #linesDone = 0;
  #dropped = 0;

  /** `path` null keeps the buffer in memory only. */
  constructor(path: string | null, limits: BufferLimits) {
    this.#path = path;
    this.#limits = limits;
    if (path !== null && existsSync(path)) this.#restore(readFileSync(path, "utf8"));
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Messages given up because a limit was reached. */
  get dropped(): number {
    return this.#dropped;
  }

  add(message: BufferedMessage, nowMs: number): void {
    this.#waiting.set(message.id, message);
    this.#append({ put: message });
    this.#expire(nowMs);
    while (this.#waiting.size > this.#limits.messagesMax) this.#drop(this.#leastNeeded());
  }

  /** Called when the broker has acknowledged the message. */
  done(id: string): void {
    if (!this.#waiting.delete(id)) return;
    this.#append({ done: id });
    this.#linesDone += 1;
    if (this.#linesDone > 1_000 && this.#linesDone > this.#waiting.size) this.#compact();
  }

  /** What waits, in the order of replay: by the events' own time. */
  waiting(): readonly BufferedMessage[] {
    return [...this.#waiting.values()].sort((left, right) => left.atMs - right.atMs);
  }

  #leastNeeded(): string {
    let first: string | undefined;
    for (const [id, message] of this.#waiting) {
      if (!message.keep) return id;
      first ??= id;
    }
    return first ?? "";
  }

  #expire(nowMs: number): void {
    for (const [id, message] of this.#waiting) {
      if (nowMs - message.atMs > this.#limits.ageMsMax) this.#drop(id);
    }
  }

  #drop(id: string): void {
    if (this.#waiting.has(id)) this.#dropped += 1;
    this.done(id);
  }

  #restore(text: string): void {
    for (const line of text.split("\n")) {
      const entry = parseLine(line);
      if (entry === null) continue;
      if ("put" in entry) this.#waiting.set(entry.put.id, entry.put);
      else this.#waiting.delete(entry.done);
    }
    this.#compact();
  }

  #append(line: Line): void {
    if (this.#path !== null) appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  #compact(): void {
    this.#linesDone = 0;
    if (this.#path === null) return;
    const next = `${this.#path}.next`;
    writeFileSync(next, [...this.#waiting.values()].map((put) => `${JSON.stringify({ put })}\n`).join(""));
    renameSync(next, this.#path);
  }
}

const parseLine = (line: string): Line | null => {
  if (line === "") return null;
  try {
    return JSON.parse(line) as Line;
  } catch (error) {
    // Only a line that was cut off by a power cut does not parse: the message was not acknowledged to anyone.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
};
