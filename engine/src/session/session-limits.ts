/** Every bound of a session. Times in milliseconds, sizes in bytes. */
export interface SessionLimits {
  /** Bytes of bulk frames that a peer may have sent and we have not applied yet: the credit we grant. */
  readonly windowBytes: number;
  /** Frames that may wait to be applied. Keeps tiny frames from piling up within the window. */
  readonly queuedFramesMax: number;
  /** Aim for one slice of the log, before encoding. */
  readonly sliceBytes: number;
  readonly sliceRows: number;
  /** Rows that several small slices may be joined to for one apply. */
  readonly applyRows: number;
  readonly applyCommits: number;
  /** Outcomes in one acknowledgement, and about how many bytes of true rows; more go in several. */
  readonly ackOutcomes: number;
  readonly ackBytes: number;
  /** Origins behind one child whose way to the top is followed. */
  readonly originsMax: number;
  /** Aim for one snapshot page. */
  readonly pageBytes: number;
  readonly pingMs: number;
  /** Without a frame from the peer for so long, the session is dead. */
  readonly silenceMs: number;
  /** From the link's opening to the peer's first frame, and to the end of the handshake. */
  readonly firstFrameMs: number;
  readonly handshakeMs: number;
  /** A link above its high-water mark for so long is closed. */
  readonly slowConsumerMs: number;
  /** How long the position of a log may wait to be told when nothing in it was for the peer. */
  readonly quietPositionMs: number;
  /** Rejects of one log without progress, after which the session is closed and tried again later. */
  readonly rejectsMax: number;
  /** Sessions of a replica that have not proven who they are, and sessions in all. */
  readonly unauthenticatedMax: number;
  readonly sessionsMax: number;
  /** Of those that have not proven who they are, how many may come from one address. Nodes behind one router share it. */
  readonly unauthenticatedPerAddressMax: number;
  /** Handshakes begun in a second, on average and at once: a storm of reconnects is let in at the rate that can be served. */
  readonly handshakesPerSecond: number;
  readonly handshakesAtOnce: number;
}

export const defaultSessionLimits: SessionLimits = {
  windowBytes: 1024 * 1024,
  queuedFramesMax: 1_024,
  sliceBytes: 512 * 1024,
  sliceRows: 5_000,
  applyRows: 10_000,
  applyCommits: 4_000,
  ackOutcomes: 512,
  ackBytes: 256 * 1024,
  originsMax: 10_000,
  pageBytes: 768 * 1024,
  pingMs: 20_000,
  silenceMs: 60_000,
  firstFrameMs: 5_000,
  handshakeMs: 15_000,
  slowConsumerMs: 30_000,
  quietPositionMs: 1_000,
  rejectsMax: 8,
  unauthenticatedMax: 256,
  sessionsMax: 20_000,
  unauthenticatedPerAddressMax: 64,
  handshakesPerSecond: 100,
  handshakesAtOnce: 100,
};
