import type { Link, LinkClosed } from "./link.ts";

/** Two ends of a link within one process, for tests and for a child that lives beside its parent. */
export function memoryLinks(): readonly [Link, Link] {
  const first = new MemoryLink();
  const second = new MemoryLink();
  first.join(second);
  second.join(first);
  return [first, second];
}

class MemoryLink implements Link {
  #other: MemoryLink | null = null;
  #listener: ((bytes: Uint8Array) => void) | null = null;
  #closeListener: ((closed: LinkClosed) => void) | null = null;
  #waiting: Uint8Array[] = [];
  #closed: LinkClosed | null = null;

  readonly bufferedBytes = 0;

  join(other: MemoryLink): void {
    this.#other = other;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed !== null) return true;
    // A copy: over a network the receiver never shares the sender's buffer.
    const copy = bytes.slice();
    queueMicrotask(() => this.#other?.deliver(copy));
    return true;
  }

  deliver(bytes: Uint8Array): void {
    if (this.#closed !== null) return;
    if (this.#listener === null) this.#waiting.push(bytes);
    else this.#listener(bytes);
  }

  onMessage(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    for (const bytes of this.#waiting.splice(0)) listener(bytes);
  }

  onClose(listener: (closed: LinkClosed) => void): void {
    this.#closeListener = listener;
    const closed = this.#closed;
    if (closed !== null) queueMicrotask(() => listener(closed));
  }

  close(code: number, reason: string): void {
    if (this.#closed !== null) return;
    // After what was sent before, as on a socket.
    queueMicrotask(() => this.#other?.end({ code, reason }));
    this.end({ code, reason });
  }

  end(closed: LinkClosed): void {
    if (this.#closed !== null) return;
    this.#closed = closed;
    this.#closeListener?.(closed);
  }
}
