import type { IncomingMessage } from "node:http";
import { HayloftError } from "@hayloft/engine";
import { isLoopback } from "../config/check-hub-settings.ts";
import { sameSecret } from "../enrol/enrolment-token.ts";

/**
 * Refuses a request that is not an administrator's, with `unauthorized`. With a token it must be sent as a bearer token;
 * without one only callers on this machine are let through, and none that came by a proxy.
 */
export function assertAdmin(request: IncomingMessage, token: string | null): void {
  if (token === null) {
    const local = isLoopback(request.socket.remoteAddress ?? "");
    if (local && request.headers["x-forwarded-for"] === undefined && request.headers["forwarded"] === undefined) return;
    throw new HayloftError("unauthorized");
  }
  const sent = /^Bearer (\S{1,1024})$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (!sameSecret(sent, token)) throw new HayloftError("unauthorized");
}
