import { describe, expect, it } from "vitest";
import type { RecoveryReport } from "@hayloft/engine";
import { recoveryText } from "./recovery-commands.ts";

const at = new Date("2026-11-26T08:00:00Z");
const nothing: RecoveryReport = { logs: [], children: [], sent: [], gone: [], awaited: [] };

describe("hayloft-hub recovery", () => {
  it("says that nothing was restored", () => {
    expect(recoveryText(nothing)).toBe("This database was never restored, as far as it knows.\n");
  });

  it("says what came from whom, what is gone for certain, and who may hold more", () => {
    const text = recoveryText({
      logs: [{ tenant: "acme", incarnation: "i1", position: 150, at }],
      children: [
        { tenant: "acme", node: "n1", had: 205, here: 150, rowsOffered: 9, rowsRestored: 4, noticedAt: at, finishedAt: null },
        { tenant: "acme", node: "n2", had: 190, here: 150, rowsOffered: 5, rowsRestored: 0, noticedAt: at, finishedAt: at },
      ],
      sent: [{ tenant: "acme", node: "n1", commits: 31 }],
      gone: [{ tenant: "acme", node: "n2", origin: "o2", fromSeq: 7, toSeq: 12 }],
      awaited: [{ tenant: "acme", node: "n3", lastContactAt: null }],
    });
    expect(text.split("\n")).toEqual([
      "acme: restored; its log began anew at 2026-11-26T08:00:00.000Z, behind position 150",
      "acme: node n1 had the lost log up to position 205 (here: 150); it offered 9 rows, 4 of them were lost here or older; not finished",
      "acme: node n2 had the lost log up to position 190 (here: 150); it offered 5 rows, 0 of them were lost here or older",
      "acme: node n1 has sent 31 commits since",
      "acme: gone for certain: commits 7 to 12 of o2; node n2 holds them no more",
      "acme: node n3 was not here since; it may hold more",
      "What the hub itself wrote and no node had received, rows of the shared tenant and of tables that never leave the hub come back from the backup alone.",
      "",
    ]);
  });
});
