export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

export const defaultBackoff: Backoff = { baseMs: 500, capMs: 60_000 };

/**
 * How long to wait before attempt number `attempt` (0 is the first retry): anything between 0 and a bound that doubles up
 * to the cap. The full spread keeps the children of a parent that restarts from coming back at the same moment.
 * `random` is at least 0 and below 1.
 */
export function fullJitterMs(attempt: number, random: number, { baseMs, capMs }: Backoff = defaultBackoff): number {
  return Math.floor(random * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)));
}
