/** What a simulated device does wrong, as probabilities per message. */
export interface Faults {
  /** Sends an acknowledged message a second time. */
  readonly duplicate: number;
  /** Sends half of a message beside the whole one. */
  readonly malformed: number;
  /** Gives a reading a time up to `lateMsMax` in the past, as if it had waited in a buffer. */
  readonly late: number;
  readonly lateMsMax: number;
  /** Drops the connection without a goodbye, per minute. */
  readonly dropPerMinute: number;
  /** The longest wait before a duplicate. */
  readonly delayMsMax: number;
}

export const noFaults: Faults = { duplicate: 0, malformed: 0, late: 0, lateMsMax: 0, dropPerMinute: 0, delayMsMax: 0 };

/** What a barn's network does on a bad day. */
export const badDay: Faults = {
  duplicate: 0.05,
  malformed: 0.01,
  late: 0.05,
  lateMsMax: 3_600_000,
  dropPerMinute: 0.5,
  delayMsMax: 2_000,
};
