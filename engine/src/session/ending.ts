import type { ErrorCode } from "../error/error-codes.ts";
import { errorCodes } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { SessionEffect, Step } from "./session-effect.ts";
import { SessionFault } from "./session-fault.ts";

/** The last effects of a session: the peer is told why, unless it told us. */
function ending(fault: Pick<SessionFault, "code" | "details" | "by">): readonly SessionEffect[] {
  const { code, details, by } = fault;
  const ended = { type: "ended", code, details, by } as const;
  if (by === "peer") return [ended, { type: "close", code: null }];
  return [
    { type: "send", frame: { type: "error", code, message: errorCodes[code].what, details: tellable(code, details) } },
    ended,
    { type: "close", code },
  ];
}

/** Who could not prove itself learns nothing beyond that; what a database said stays here. */
function tellable(code: ErrorCode, details: ErrorDetails): ErrorDetails {
  return code === "auth-failed" || code === "auth-revoked" || code === "unavailable" ? {} : details;
}

/** Runs a step and turns a fault thrown in it into the end of the session. */
export function guarded<State>(closed: State, step: () => Step<State>): Step<State> {
  try {
    return step();
  } catch (error) {
    if (error instanceof SessionFault) return { state: closed, effects: ending(error) };
    // The codec's refusals, of a commit that came in parts.
    if (error instanceof HayloftError) return { state: closed, effects: ending(new SessionFault(error.code, error.details)) };
    throw error;
  }
}
