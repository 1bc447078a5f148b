import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { networkOf, remoteAddress, trustedProxies } from "./remote-address.ts";

const from = (address: string, forwarded?: string | string[]): Pick<IncomingMessage, "socket" | "headers"> =>
  ({ socket: { remoteAddress: address }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;

describe("remote address", () => {
  const trusted = trustedProxies(["10.0.0.0/8", "192.0.2.7", "fd00::/8"]);

  it("F-B10 is the connection's own unless that is a trusted proxy, whatever the client writes", () => {
    const none = trustedProxies([]);
    expect(remoteAddress(from("203.0.113.5", "198.51.100.1"), none)).toBe("203.0.113.5");
    expect(remoteAddress(from("203.0.113.5", "198.51.100.1"), trusted)).toBe("203.0.113.5");
    expect(remoteAddress(from("::ffff:203.0.113.5"), none)).toBe("203.0.113.5");
  });

  it("F-B10 is the last hop of X-Forwarded-For that is no trusted proxy; what a client forged before that does not count", () => {
    expect(remoteAddress(from("10.1.2.3", "198.51.100.1"), trusted)).toBe("198.51.100.1");
    expect(remoteAddress(from("10.1.2.3", "1.1.1.1, 198.51.100.1, 192.0.2.7"), trusted)).toBe("198.51.100.1");
    expect(remoteAddress(from("::ffff:10.1.2.3", ["1.1.1.1", "198.51.100.1"]), trusted)).toBe("198.51.100.1");
    expect(remoteAddress(from("fd00::1", "2001:db8::9"), trusted)).toBe("2001:db8::9");
    expect(remoteAddress(from("10.1.2.3", "unknown"), trusted)).toBe("10.1.2.3");
    expect(remoteAddress(from("10.1.2.3"), trusted)).toBe("10.1.2.3");
  });

  it("limits count an IPv6 subscriber's whole network as one", () => {
    expect(networkOf("192.0.2.9")).toBe("192.0.2.9");
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
    expect(networkOf("2001:db8::7")).toBe("2001:db8:0:0");
    expect(networkOf("::1")).toBe("0:0:0:0");
    expect(networkOf("fe80::1%eth0")).toBe("fe80:0:0:0");
  });

  it.each(["proxy.example", "10.0.0.0/33", "10.0.0.0/", "", "10.0.0.0/x"])("refuses %j as a proxy", (entry) => {
    expect(() => trustedProxies([entry])).toThrow(/config-invalid/);
  });
});
