import { readFileSync } from "node:fs";
import { defaultLimits } from "@hayloft/engine";
import { describe, expect, it } from "vitest";
import { sampleFrames } from "./sample-frames.ts";

const page = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

describe("PROTOCOL.md", () => {
  it("numbers each requirement once, in order, under its section", () => {
    const ids = [...page.matchAll(/^- \*\*R-(\d+)-(\d+)\*\*/gm)].map(
      ([, section, number]) => [Number(section), Number(number)] as const,
    );
    const misplaced = page
      .split(/^## /m)
      .slice(1)
      .flatMap((section) =>
        [...section.matchAll(/^- \*\*R-(\d+)-/gm)].filter(([, number]) => Number(number) !== Number.parseInt(section, 10)),
      );
    expect(misplaced).toEqual([]);
    const expected = ids.map(([section], index) => [
      section,
      ids.slice(0, index).filter(([other]) => other === section).length + 1,
    ]);
    expect(ids).toEqual(expected);
    expect(ids.length).toBeGreaterThan(60);
  });

  it("states the limits that the engine has", () => {
    for (const [name, value] of Object.entries(defaultLimits)) {
      expect(page).toContain(`| \`${name}\` | ${value.toLocaleString("en-US")} |`);
    }
  });

  it("describes every frame type", () => {
    for (const { type } of Object.values(sampleFrames))
      expect(page).toMatch(new RegExp(`^(### ${type} \\(|\\| \`${type}\` \\|)`, "m"));
  });
});
