import type { ErrorCode } from "../error/error-codes.ts";
import { errorCodes } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";

/**
 * What a handler throws when the session cannot go on: the peer broke the protocol or said that it did, or a stream
 * cannot be repaired. The machine turns it into the end of the session; it never leaves the machine.
 */
export class SessionFault extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  /** Which side saw it: the peer is told only what we saw. */
  readonly by: "us" | "peer";

  constructor(code: ErrorCode, details: ErrorDetails = {}, by: "us" | "peer" = "us") {
    super(code);
    this.name = "SessionFault";
    this.code = code;
    this.details = details;
    this.by = by;
  }
}

/** The fault that a peer reported. A code that we do not know counts as `unavailable`. */
export function reportedFault(frame: { readonly code: string; readonly details: ErrorDetails }): SessionFault {
  const known = Object.hasOwn(errorCodes, frame.code);
  return known
    ? new SessionFault(frame.code as ErrorCode, frame.details, "peer")
    : new SessionFault("unavailable", { ...frame.details, code: frame.code }, "peer");
}
