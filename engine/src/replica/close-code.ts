import type { ErrorCode } from "../error/error-codes.ts";

/** The WebSocket close code for the reason a session ended; `conformance/PROTOCOL.md` lists them. */
export function closeCodeOf(code: ErrorCode | null): number {
  if (code === null) return 1000;
  return closeCodes[code] ?? 1011;
}

const closeCodes: Partial<Record<ErrorCode, number>> = {
  "protocol-version": 4400,
  "catalog-version": 4400,
  "frame-invalid": 4400,
  "frame-unexpected": 4400,
  "frame-too-large": 1009,
  "auth-failed": 4401,
  "auth-revoked": 4403,
  "session-timeout": 4408,
  "session-replaced": 4409,
  "limit-reached": 4429,
  draining: 1012,
  unavailable: 1013,
  "store-closed": 1001,
};
