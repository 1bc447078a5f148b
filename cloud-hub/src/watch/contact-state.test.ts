import { describe, expect, it } from "vitest";
import { contactState } from "./contact-state.ts";

const minuteMs = 60_000;
const startMs = 1_750_000_000_000;

describe("contactState", () => {
  it.each<readonly [number, string]>([
    [0, "online"],
    [5 * minuteMs - 1, "online"],
    [5 * minuteMs, "late"],
    [60 * minuteMs - 1, "late"],
    [60 * minuteMs, "silent"],
    [24 * 60 * minuteMs - 1, "silent"],
    [24 * 60 * minuteMs, "lost"],
    [-60 * minuteMs, "online"],
  ])("S14.7 a node that was silent for %i ms is %s", (silentMs, expected) => {
    expect(contactState({ connected: false, lastContactMs: startMs, enrolledMs: 0 }, startMs + silentMs)).toBe(expected);
  });

  it("S14.7 a connected node is online however old its last contact", () => {
    expect(contactState({ connected: true, lastContactMs: 0, enrolledMs: 0 }, startMs)).toBe("online");
  });

  it("S14.7 a node that never came is reported from its enrolment on", () => {
    const node = { connected: false, lastContactMs: null, enrolledMs: startMs };
    expect(contactState(node, startMs)).toBe("never");
    expect(contactState(node, startMs + 6 * minuteMs)).toBe("late");
    expect(contactState(node, startMs + 25 * 60 * minuteMs)).toBe("lost");
  });
});
