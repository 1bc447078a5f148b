import { buildEnvelope, parseEnvelope } from "@hayloft/schema";
import { describe, expect, it } from "vitest";
import { seededRandom } from "./random.ts";
import { weighSession } from "./weigh-session.ts";

describe("a simulated weigh session", () => {
  const steps = weighSession({
    batch: "batch-1",
    number: 3,
    startMs: Date.UTC(2026, 1, 12, 9, 32, 15),
    weightKg: 2.1,
    random: seededRandom(1),
  });

  it("is created, photographed twice, weighed and finalized, in that order of time", () => {
    const kinds = [...steps].sort((left, right) => left.afterMs - right.afterMs).map(({ type }) => type);
    expect(kinds[0]).toBe("weighvision.session.created");
    expect(kinds.at(-1)).toBe("weighvision.session.finalized");
    expect(kinds.filter((kind) => kind === "weighvision.image.captured")).toHaveLength(2);
    expect(kinds.filter((kind) => kind === "weighvision.weight.recorded").length).toBeGreaterThanOrEqual(1);
    expect(steps[0]?.session).toBe("20260212_093215_3");
  });

  it("T-C15 every message passes the ingress's own validator without a warning", () => {
    for (const step of steps) {
      const topic = {
        kind: "weighvision" as const,
        tenant_id: "t-1",
        farm_id: "f-1",
        barn_id: "b-1",
        station_id: "st-1",
        session_id: step.session,
        event_type: step.type,
      };
      const bytes = buildEnvelope(topic, {
        event_id: "e-1",
        trace_id: step.trace,
        device_id: "wv-1",
        ts: new Date(),
        payload: step.payload,
      });
      const read = parseEnvelope(topic, bytes);
      expect(read).toMatchObject({ ok: true, warnings: [] });
    }
  });
});
