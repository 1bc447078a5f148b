import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";

/** A Hayloft error as it is, anything else under `code` with the error as its cause. */
export const toHayloftError = (error: unknown, code: ErrorCode): HayloftError =>
  error instanceof HayloftError ? error : new HayloftError(code, {}, error);
