import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FarmDemo } from "./farm-demo.ts";

it("S10.1 S10.4 a farm whose link is cut and whose edge is killed loses nothing and doubles nothing", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hayloft-demo-test-"));
  chmodSync(dir, 0o711);
  const demo = new FarmDemo({ dir, barns: 2, stretchMs: 3_000, readingEveryMs: 400 });
  try {
    const { proof, backlogRowsMost } = await demo.run();
    expect(proof.different).toEqual([]);
    expect(proof.lost).toBe(0);
    expect(proof.doubled).toBe(0);
    expect(proof.acknowledged).toBeGreaterThan(200);
    expect(proof.rowsCompared).toBeGreaterThan(200);
    expect(backlogRowsMost).toBeGreaterThan(0);
  } finally {
    await demo.close();
    rmSync(dir, { recursive: true, force: true });
  }
}, 300_000);
