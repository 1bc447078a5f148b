import { describe, expect, it } from "vitest";
import { Admission } from "./admission.ts";

const limits = {
  unauthenticatedMax: 6,
  unauthenticatedPerAddressMax: 2,
  sessionsMax: 10,
  handshakesPerSecond: 10,
  handshakesAtOnce: 5,
};
const crowd = (...strangers: (string | null)[]) => ({ sessions: strangers.length, strangers });

describe("admission", () => {
  it("F-B10 one address has its share of unproven connections, and takes nothing from others", () => {
    const admission = new Admission(limits);
    expect(admission.refusal("a", crowd("a"), 0)).toBeNull();
    expect(admission.refusal("a", crowd("a", "a", "b"), 0)).toBe("unauthenticatedPerAddressMax");
    expect(admission.refusal("b", crowd("a", "a", "b"), 0)).toBeNull();
    expect(admission.refusal(null, crowd(null, null, null), 0)).toBeNull();
    expect(admission.refusal("c", crowd("a", "a", "b", "b", "d", "d"), 0)).toBe("unauthenticatedMax");
    expect(admission.refusal("c", { sessions: 10, strangers: [] }, 0)).toBe("sessionsMax");
  });

  it("F-B6 lets in as many as may come at once, and then as many as the rate allows; a refusal costs nothing", () => {
    const admission = new Admission(limits);
    const letIn = (nowMs: number): number =>
      Array.from({ length: 20 }, () => admission.refusal("a", crowd(), nowMs)).filter((refusal) => refusal === null).length;
    expect([0, 0, 100, 300, 300, 10_000].map(letIn)).toEqual([5, 0, 1, 2, 0, 5]);
    expect(admission.refusal("a", crowd(), 10_050)).toBe("handshakesPerSecond");
    expect(admission.refusal("a", crowd(), 10_100)).toBeNull();
  });
});
