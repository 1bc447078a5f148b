import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { callerAddress, networkOf } from "./caller-address.ts";

function requestWith(forwarded: string): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers["x-forwarded-for"] = forwarded;
  return request;
}

describe("callerAddress", () => {
  it("believes X-Forwarded-For only behind a proxy, and there only the entry the proxy wrote", () => {
    expect(callerAddress(requestWith("1.2.3.4"), false)).toBe("");
    expect(callerAddress(requestWith("6.6.6.6, 1.2.3.4"), true)).toBe("1.2.3.4");
    expect(callerAddress(requestWith("x".repeat(1_000)), true)).toHaveLength(64);
  });
});

describe("networkOf", () => {
  it.each([
    ["10.0.0.1", "10.0.0.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::9", "2001:db8:1:2"],
    ["2001:db8::9", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["not an address", "not an address"],
  ])("counts %s by %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
