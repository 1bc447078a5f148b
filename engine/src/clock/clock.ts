/** The wall clock as a port, so that tests and the simulator decide what time it is. */
export interface Clock {
  /** Milliseconds since 1970, UTC. May jump either way when somebody sets the clock. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };
