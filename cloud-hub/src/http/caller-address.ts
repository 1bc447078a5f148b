import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";

/** The address of a caller: of the socket, or with `trustProxy` the one that the nearest proxy saw. */
export function callerAddress(request: IncomingMessage, trustProxy: boolean): string {
  const socket = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  if (!trustProxy) return socket;
  const forwarded = request.headers["x-forwarded-for"];
  const list = Array.isArray(forwarded) ? forwarded.join(",") : (forwarded ?? "");
  // Only the last entry was written by our proxy; earlier ones come from the caller.
  return list.split(",").at(-1)?.trim().slice(0, 64) || socket;
}

/** What a rate limit counts by: an IPv4 address, or the /64 network that one IPv6 subscriber has. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
