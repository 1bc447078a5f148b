import type { ErrorCode } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";

export interface HttpReply {
  readonly status: number;
  /** Sent as JSON, or as it is when it is text, bytes, or a stream, whose length the headers say. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  "request-invalid": 400,
  "token-invalid": 401,
  unauthorized: 401,
  "tenant-suspended": 403,
  "upload-offset": 409,
  "upload-busy": 423,
  "blob-altered": 460,
  "blob-too-large": 413,
  "not-found": 404,
  "name-taken": 409,
  "frame-too-large": 413,
  "limit-reached": 429,
  unavailable: 503,
  "store-failed": 503,
  "store-full": 507,
  "store-closed": 503,
  draining: 503,
};

/** The HTTP status of an error's code; 500 for codes that no request should lead to. */
function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? 500;
}

/**
 * The reply for an error. Only codes that are meant for a caller are told, with their safe details; anything else is
 * `internal-error`, and its trace id finds the cause in the log.
 */
export function errorReply(error: unknown, traceId: string): HttpReply {
  const known =
    error instanceof HayloftError && STATUS[error.code] !== undefined ? error : new HayloftError("internal-error", {}, error);
  const retryMs = known.code === "limit-reached" ? Number(known.details["retryMs"] ?? 0) : 0;
  return {
    status: statusOf(known.code),
    body: { error: { code: known.code, message: known.message, traceId } },
    headers: {
      ...(retryMs > 0 ? { "retry-after": String(Math.ceil(retryMs / 1_000)) } : {}),
      ...(known.code === "unauthorized" ? { "www-authenticate": "Bearer" } : {}),
    },
  };
}
