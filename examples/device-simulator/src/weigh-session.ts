import { createHash } from "node:crypto";
import { newId } from "@hayloft/engine";
import type { Random } from "./random.ts";

/** One message of a weigh session and when it is sent. */
export interface SessionStep {
  readonly type: string;
  readonly session: string;
  readonly trace: string;
  readonly afterMs: number;
  /** Created and finalized are kept longest when a buffer is full. */
  readonly keep: boolean;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A device's session id: its clock to the second, as stations in the field make it. */
const sessionId = (atMs: number): string => new Date(atMs).toISOString().replace(/[-:]/g, "").replace("T", "_").slice(0, 15);

/**
 * The messages of one weighing: created, two images (announced; their bytes travel separately), one to three weights,
 * finalized. About two seconds from first to last.
 */
export const weighSession = (input: {
  readonly batch: string | null;
  readonly number: number;
  readonly startMs: number;
  readonly weightKg: number;
  readonly random: Random;
}): readonly SessionStep[] => {
  const { random } = input;
  const session = `${sessionId(input.startMs)}_${input.number}`;
  const step = (type: string, afterMs: number, payload: SessionStep["payload"], keep = false): SessionStep => ({
    type: `weighvision.${type}`,
    session,
    trace: newId(),
    afterMs,
    keep,
    payload,
  });
  const weights = Array.from({ length: 1 + Math.floor(3 * random()) }, (_, index) =>
    step("weight.recorded", 700 + 200 * index, {
      weight_kg: Number((input.weightKg * (1 + 0.01 * (random() - 0.5))).toFixed(3)),
    }),
  );
  const images = ["left", "vis"].map((role, index) => {
    const media = newId();
    return step("image.captured", 300 + 150 * index, {
      media_id: media,
      content_type: "image/jpeg",
      size_bytes: 1_800_000 + Math.floor(600_000 * random()),
      sha256: createHash("sha256").update(media).digest("hex"),
      image_role: role,
    });
  });
  return [
    step("session.created", 0, { batch_id: input.batch }, true),
    ...images,
    ...weights,
    step(
      "session.finalized",
      1_600,
      { image_count: images.length, finalized_at: new Date(input.startMs + 1_600).toISOString() },
      true,
    ),
  ];
};
