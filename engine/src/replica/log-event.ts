import type { ErrorDetails, HayloftError } from "../error/hayloft-error.ts";

/** Something that an operator may want to know. Holds identifiers and numbers, never row values or secrets. */
export interface LogEvent {
  readonly level: "debug" | "info" | "warn" | "error";
  /** What happened, a stable word such as `session-opened`. */
  readonly event: string;
  /** The node id of the peer it concerns. */
  readonly peer: string | null;
  readonly details: ErrorDetails;
  readonly error: HayloftError | null;
}

export type Log = (event: LogEvent) => void;
