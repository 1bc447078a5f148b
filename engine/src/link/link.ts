/**
 * One connection to a peer that carries whole binary messages in order, or breaks. Every message that arrives was sent;
 * what was sent may never arrive. The in-memory, `ws` and browser adapters implement it.
 */
export interface Link {
  /** The network address that the peer connects from, for limits; null or absent when there is none. */
  readonly address?: string | null;
  /** Queues one message. False when more than the high-water mark is waiting: send no more bulk until it has drained. */
  send(bytes: Uint8Array): boolean;
  /** Bytes accepted by `send` and not yet handed to the network. */
  readonly bufferedBytes: number;
  /** The one listener for messages; what arrived before it was set is delivered at once. */
  onMessage(listener: (bytes: Uint8Array) => void): void;
  /** The one listener for the end of the link; called exactly once, also when it had ended before. */
  onClose(listener: (closed: LinkClosed) => void): void;
  /** Ends the link in an orderly way, and by force when the peer does not answer. Later calls do nothing. */
  close(code: number, reason: string): void;
}

export interface LinkClosed {
  /** A WebSocket close code; 1006 when the connection broke. */
  readonly code: number;
  readonly reason: string;
}

/** Opens a link to a parent. Rejects with `unavailable` when the parent cannot be reached, with `config-invalid` for a bad url. */
export type Dial = (signal: AbortSignal) => Promise<Link>;

/** Above this many waiting bytes a sender stops producing bulk frames. */
export const linkHighWaterBytes = 1024 * 1024;
