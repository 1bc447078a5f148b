import { describe, expect, it } from "vitest";
import { hashPassword, parseDeviceAccounts } from "./device-accounts.ts";
import { isPlainName, mayPublish, maySubscribe } from "./topic-access.ts";

const account = {
  username: "gateway",
  password_hash: "scrypt:",
  tenant_id: "t",
  farm_id: "f",
  barn_id: "b",
  device_ids: ["d1", "d2"],
  station_ids: ["s1"],
};

describe("F-H4 P-C19 what an account may publish", () => {
  it.each([
    ["iot/telemetry/t/f/b/d1/temperature", true],
    ["iot/event/t/f/b/d2/feed.dispensed", true],
    ["iot/status/t/f/b/d1", true],
    ["iot/weighvision/t/f/b/s1/session/x/weighvision.session.created", true],
    ["iot/telemetry/t/f/b/d3/temperature", false],
    ["iot/telemetry/other/f/b/d1/temperature", false],
    ["iot/telemetry/t/other/b/d1/temperature", false],
    ["iot/telemetry/t/f/other/d1/temperature", false],
    ["iot/weighvision/t/f/b/d1/session/x/y", false],
    ["iot/telemetry/t/f/b/s1/temperature", false],
    ["iot/command/t/f/b/d1/reboot", false],
    ["iot/telemetry/t/f/b", false],
    ["$SYS/broker", false],
    ["x/telemetry/t/f/b/d1/temperature", false],
    ["", false],
  ])("%s: %s", (topic, allowed) => {
    expect(mayPublish(account, topic)).toBe(allowed);
  });
});

it.each([
  ["iot/command/t/f/b/d1/#", true],
  ["iot/command/t/f/b/s1/x", true],
  ["iot/command/t/f/b/+/x", false],
  ["iot/command/t/f/b/#", false],
  ["iot/telemetry/t/f/b/d1/#", false],
  ["#", false],
  ["+/+/+/+/+/+", false],
  ["$SYS/#", false],
])("an account may subscribe to %s: %s", (filter, allowed) => {
  expect(maySubscribe(account, filter)).toBe(allowed);
});

it.each(["#", "+", "a+b", "a/b", "$SYS", "", "x".repeat(129), "a\u0000b", "a\nb"])("the name %j is refused", (name) => {
  expect(isPlainName(name)).toBe(false);
});

describe("the accounts file", () => {
  it("is read, and each mistake is named", async () => {
    const entry = { ...account, password_hash: await hashPassword("long enough") };
    expect(parseDeviceAccounts(JSON.stringify([entry])).get("gateway")).toEqual(entry);
    for (const [wrong, problem] of [
      [{ ...entry, username: "+" }, "0.username"],
      [{ ...entry, device_ids: ["d/1"] }, "0.device_ids.0"],
      [{ ...entry, password_hash: "plain" }, "0.password_hash"],
      [{ ...entry, role: "admin" }, "0.role"],
    ] as const) {
      expect(() => parseDeviceAccounts(JSON.stringify([wrong]))).toThrow(problem);
    }
    expect(() => parseDeviceAccounts(JSON.stringify([entry, entry]))).toThrow("two accounts");
    expect(() => parseDeviceAccounts("[")).toThrow("is not YAML");
    expect(() => parseDeviceAccounts("{}")).toThrow("config-invalid");
  });
});
