/** When an event happened. Deadlines use `steadyMs`, which nobody can set; skew is measured with `nowMs`. */
export interface Moment {
  /** Milliseconds since 1970 by the wall clock. */
  readonly nowMs: number;
  /** Milliseconds of a clock that only moves forward, from any start. */
  readonly steadyMs: number;
}
