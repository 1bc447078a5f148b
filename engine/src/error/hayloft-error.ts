import type { ErrorCode } from "./error-codes.ts";
import { errorCodes } from "./error-codes.ts";

/** What a caller may do with a failed operation. */
export type Retry = "never" | "backoff" | "resync";

/** Details that are safe to log and to send to a peer: identifiers and limits, never row values or secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/**
 * The one error class of Hayloft. `code` is the key of the catalog in `error-codes.ts`, which says what happened and
 * what to do; callers branch on it and never on the message.
 */
export class HayloftError extends Error {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
    const entry = errorCodes[code];
    const shown = Object.entries(details)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(", ");
    super(
      `${code}: ${entry.what} ${entry.todo}${shown === "" ? "" : ` (${shown})`}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = "HayloftError";
    this.code = code;
    this.retry = entry.retry;
    this.details = details;
  }
}

/** True when `error` is a Hayloft error, optionally of the given code. */
export function isHayloftError(error: unknown, code?: ErrorCode): error is HayloftError {
  return error instanceof HayloftError && (code === undefined || error.code === code);
}
