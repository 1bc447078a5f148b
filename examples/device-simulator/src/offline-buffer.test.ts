import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BufferedMessage, OfflineBuffer, telemetryLimits, weighLimits } from "./offline-buffer.ts";

const HOUR_MS = 3_600_000;
const message = (id: string, atMs: number, keep = false): BufferedMessage => ({
  id,
  topic: "iot/telemetry/t/f/b/d/m",
  body: "{}",
  atMs,
  keep,
});

describe("the offline buffer of a device", () => {
  let dir = "";
  let path = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "hayloft-buffer-"));
    path = join(dir, "device.jsonl");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("keeps what was not acknowledged over a restart, in the order of the events' own time", () => {
    const before = new OfflineBuffer(path, weighLimits);
    before.add(message("late", 3_000), 3_000);
    before.add(message("early", 1_000), 3_000);
    before.add(message("acknowledged", 2_000), 3_000);
    before.done("acknowledged");
    const after = new OfflineBuffer(path, weighLimits);
    expect(after.waiting().map(({ id }) => id)).toEqual(["early", "late"]);
  });

  it("T-C15 P-C15 taking messages out never touches one that was appended meanwhile", () => {
    const buffer = new OfflineBuffer(path, weighLimits);
    for (let index = 0; index < 2_500; index += 1) buffer.add(message(`old-${index}`, index), 2_500);
    for (let index = 0; index < 2_500; index += 1) {
      if (index % 10 === 0) buffer.add(message(`new-${index}`, 10_000 + index), 12_500);
      buffer.done(`old-${index}`);
    }
    const kept = new OfflineBuffer(path, weighLimits).waiting();
    expect(kept.map(({ id }) => id)).toEqual(Array.from({ length: 250 }, (_, index) => `new-${index * 10}`));
    expect(readFileSync(path, "utf8").split("\n").length).toBeLessThan(300);
  });

  it("drops the oldest readings beyond 360, and those older than six hours", () => {
    const buffer = new OfflineBuffer(null, telemetryLimits);
    for (let index = 0; index < 400; index += 1) buffer.add(message(`m-${index}`, index), 400);
    expect(buffer.size).toBe(360);
    expect(buffer.waiting()[0]?.id).toBe("m-40");
    buffer.add(message("next morning", 7 * HOUR_MS), 7 * HOUR_MS);
    expect(buffer.waiting().map(({ id }) => id)).toEqual(["next morning"]);
    expect(buffer.dropped).toBe(400);
  });

  it("a full buffer of weigh events gives up weights and images before created and finalized sessions", () => {
    const buffer = new OfflineBuffer(null, { messagesMax: 4, ageMsMax: 72 * HOUR_MS });
    buffer.add(message("created", 1, true), 1);
    buffer.add(message("weight", 2), 2);
    buffer.add(message("image", 3), 3);
    buffer.add(message("finalized", 4, true), 4);
    buffer.add(message("created-2", 5, true), 5);
    buffer.add(message("finalized-2", 6, true), 6);
    expect(buffer.waiting().map(({ id }) => id)).toEqual(["created", "finalized", "created-2", "finalized-2"]);
  });

  it("a line that a power cut tore off is dropped and the rest is read", () => {
    new OfflineBuffer(path, weighLimits).add(message("whole", 1), 1);
    appendFileSync(path, '{"put":{"id":"torn","top');
    const after = new OfflineBuffer(path, weighLimits);
    expect(after.waiting().map(({ id }) => id)).toEqual(["whole"]);
    after.add(message("next", 2), 2);
    expect(new OfflineBuffer(path, weighLimits).size).toBe(2);
  });
});
