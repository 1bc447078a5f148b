import { HayloftError } from "@hayloft/engine";

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a text such as `30m`, `1h` or `7d`. Throws `request-invalid`. */
export function parseDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined || Number(count) === 0)
    throw new HayloftError("request-invalid", { part: "duration", expected: "30m, 1h, 7d" });
  return Number(count) * factor;
}
