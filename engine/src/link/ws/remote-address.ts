import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv6 } from "node:net";
import { HayloftError } from "../../error/hayloft-error.ts";

/**
 * The proxies whose `X-Forwarded-For` is believed: addresses, or networks such as `10.0.0.0/8`. Throws `config-invalid` for
 * anything else.
 */
export function trustedProxies(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/", 2);
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const prefix = bits === undefined ? null : Number(bits);
    const most = family === "ipv6" ? 128 : 32;
    if (isIP(address) === 0 || (prefix !== null && (!/^\d{1,3}$/.test(bits ?? "") || prefix > most))) {
      throw new HayloftError("config-invalid", { setting: "trustedProxies", value: entry });
    }
    if (prefix === null) list.addAddress(address, family);
    else list.addSubnet(address, prefix, family);
  }
  return list;
}

/** An IPv4 address in IPv6 clothes is the IPv4 address. */
const plain = (address: string): string => (/^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address);

const isTrusted = (list: BlockList, address: string): boolean =>
  isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

/**
 * The address that a request comes from: the connection's, or, when that is a trusted proxy's, the last one of `X-Forwarded-For`
 * that is not. What stands before that was written by the client and proves nothing.
 */
export function remoteAddress({ socket, headers }: Pick<IncomingMessage, "socket" | "headers">, trusted: BlockList): string {
  const hops = [headers["x-forwarded-for"] ?? []].flat().flatMap((list) => list.split(","));
  let address = plain(socket.remoteAddress ?? "");
  for (const hop of hops.toReversed()) {
    if (!isTrusted(trusted, address)) return address;
    const next = plain(hop.trim());
    // A proxy that writes something else than addresses: the last one known is as far as we can tell.
    if (isIP(next) === 0) return address;
    address = next;
  }
  return address;
}

/** What a limit per address counts by: an IPv4 address, or the /64 network that one IPv6 subscriber has. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
