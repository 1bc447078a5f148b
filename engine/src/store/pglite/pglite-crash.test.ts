import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { effort } from "../../testing/effort.ts";
import type { StoreProgram } from "../../testing/run-store-program.ts";
import { runStoreProgram } from "../../testing/run-store-program.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { openPgliteDatabase } from "./open-pglite-database.ts";

const lastRow = (program: StoreProgram): number =>
  Number(program.lines.findLast((line) => line.startsWith("row "))?.slice(4) ?? 0);

const writtenIn = async (dataDir: string): Promise<number[]> => {
  const database = await openPgliteDatabase({ dataDir });
  try {
    return (await database.query<{ id: number }>("select id from written order by id")).rows.map((row) => row.id);
  } finally {
    await database.close();
  }
};

describe("PGlite and crashes", () => {
  it("F-A2 loses no acknowledged row when it is killed at any moment", { timeout: 240_000 }, async () => {
    const dataDir = await tempDir();
    let acknowledged = 0;
    for (let round = 0; round < effort(12); round += 1) {
      // Every third round without fsync: a killed process loses nothing even then.
      const program = runStoreProgram({ dataDir, durable: round % 3 !== 0, rows: 1_000_000 });
      const top = Number((await program.line("open ")).slice(5));
      expect(top, `round ${round}`).toBeGreaterThanOrEqual(acknowledged);
      await program.line(`row ${top + 1 + ((round * 37) % 60)}`);
      await program.signal("SIGKILL");
      acknowledged = lastRow(program);
    }
    const ids = await writtenIn(dataDir);
    expect(ids.length).toBeGreaterThanOrEqual(acknowledged);
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index + 1));
  });

  it(
    "F-A7 opens after a kill at any moment of the first open, and never wipes a store that held a commit",
    { timeout: 240_000 },
    async () => {
      const parent = await tempDir();
      let opens = 0;
      const rounds = effort(14);
      for (let round = 0; round < rounds; round += 1) {
        const dataDir = path.join(parent, `store-${round % 2}`);
        const program = runStoreProgram({ dataDir, rows: 1 });
        const delay = new Promise((resolve) => setTimeout(resolve, 150 + round * 130));
        await Promise.race([delay, program.line("row 1"), program.ended]);
        await program.signal("SIGKILL");
        if (lastRow(program) > 0) opens += 1;
      }
      for (const name of ["store-0", "store-1"]) {
        const dataDir = path.join(parent, name);
        const program = runStoreProgram({ dataDir, rows: 1 });
        const top = Number((await program.line("open ")).slice(5));
        await program.line(`row ${top + 1}`);
        await program.signal("SIGKILL");
        const killed = runStoreProgram({ dataDir, rows: 0 });
        await Promise.race([new Promise((resolve) => setTimeout(resolve, 400)), killed.line("open ")]);
        await killed.signal("SIGKILL");
        expect((await writtenIn(dataDir)).length).toBe(top + 1);
        expect(existsSync(path.join(dataDir, "pgdata.new"))).toBe(false);
      }
      expect(opens).toBeLessThan(rounds);
    },
  );

  it(
    "F-A10 syncs the log once or more before each acknowledgement, and the new directory tree before the first",
    { timeout: 120_000 },
    async () => {
      const [home, faultsDir] = [await tempDir(), await tempDir()];
      const dataDir = path.join(home, "new", "store");
      const program = runStoreProgram({ dataDir, rows: 20, faultsDir });
      await program.line("open ");
      const logFile = path.join(faultsDir, "log");
      const atOpen = (await readFile(logFile, "utf8")).split("\n");
      for (const place of [
        "pgdata.new/PG_VERSION",
        "pgdata.new/global/pg_control",
        "pgdata.new/global",
        "pgdata.new/base/5",
        "pgdata.new/pg_wal",
        "pgdata.new",
      ]) {
        expect(atOpen, place).toContain(`sync ${path.join(dataDir, place)}`);
      }
      // The name of the renamed directory, and those above it.
      for (const place of [dataDir, path.join(home, "new"), home]) expect(atOpen).toContain(`sync ${place}`);
      await program.line("row 20");
      await program.signal("SIGKILL");
      const walSyncs = (await readFile(logFile, "utf8"))
        .split("\n")
        .slice(atOpen.length - 1)
        .filter((line) => line.includes("/pg_wal/"));
      expect(walSyncs.length).toBeGreaterThanOrEqual(18);
      expect(walSyncs.length).toBeLessThanOrEqual(24);
    },
  );

  it(
    "F-A13 ends at once when fsync fails, acknowledges nothing more, and comes back with every acknowledged row",
    { timeout: 120_000 },
    async () => {
      const [dataDir, faultsDir] = [await tempDir(), await tempDir()];
      const program = runStoreProgram({ dataDir, rows: 1_000_000, faultsDir });
      await program.line("row 5");
      await writeFile(path.join(faultsDir, "fail-sync"), "EIO");
      expect(await program.line("error ")).toMatch(/^error store-failed .*"fsync failed".*"EIO"/);
      expect(program.lines.filter((line) => line.startsWith("fatal "))).toEqual(["fatal store-failed"]);
      const acknowledged = lastRow(program);
      await program.signal("SIGKILL");
      expect((await writtenIn(dataDir)).length).toBeGreaterThanOrEqual(acknowledged);
    },
  );

  it("refuses to open where fsync is not supported or fails, and opens when it works", { timeout: 120_000 }, async () => {
    const [dataDir, faultsDir] = [await tempDir(), await tempDir()];
    const refusals = [
      ["EINVAL", /^error store-unsafe/],
      ["EIO", /^error store-failed/],
    ] as const;
    for (const [code, wanted] of refusals) {
      await writeFile(path.join(faultsDir, "fail-sync"), code);
      const program = runStoreProgram({ dataDir, rows: 1, faultsDir });
      expect(await program.line("error ")).toMatch(wanted);
      await program.signal("SIGKILL");
    }
    await rm(path.join(faultsDir, "fail-sync"));
    const program = runStoreProgram({ dataDir, rows: 1 });
    await program.line("row 1");
    await program.signal("SIGKILL");
    // The same for a store that exists already.
    await writeFile(path.join(faultsDir, "fail-sync"), "EINVAL");
    const again = runStoreProgram({ dataDir, rows: 1, faultsDir });
    expect(await again.line("error ")).toMatch(/^error store-unsafe .*EINVAL/);
  });

  it(
    "F-A12 answers store-full while the disk is full, keeps what was acknowledged, and goes on by itself when there is room",
    { timeout: 120_000 },
    async () => {
      const [dataDir, faultsDir] = [await tempDir(), await tempDir()];
      const program = runStoreProgram({ dataDir, rows: 1_000_000, faultsDir });
      await program.line("row 50");
      await writeFile(path.join(faultsDir, "fail-extend"), "ENOSPC");
      const refused = await program.line("full ");
      expect(refused).toMatch(/"sqlstate":"53100"/);
      const acknowledged = lastRow(program);
      await rm(path.join(faultsDir, "fail-extend"));
      await program.line(`row ${acknowledged + 50}`);
      await program.signal("SIGKILL");
      const kept = lastRow(program);
      const ids = await writtenIn(dataDir);
      expect(ids.length).toBeGreaterThanOrEqual(kept);
      expect(ids).toEqual(ids.map((_, index) => index + 1));
    },
  );

  it(
    "F-A12 ends with store-full when not even the log has room, says how much it needs when it is started so, and has everything later",
    { timeout: 120_000 },
    async () => {
      const [dataDir, faultsDir] = [await tempDir(), await tempDir()];
      const program = runStoreProgram({ dataDir, rows: 1_000_000, faultsDir });
      await program.line("row 50");
      await writeFile(path.join(faultsDir, "fail-write"), "ENOSPC");
      expect(await program.line("error ")).toMatch(/^error store-full .*"freeBytes":0,"neededBytes":33554432/);
      expect(program.lines.filter((line) => line.startsWith("fatal "))).toEqual(["fatal store-full"]);
      const acknowledged = lastRow(program);
      await program.signal("SIGKILL");
      const again = runStoreProgram({ dataDir, rows: 1, faultsDir });
      expect(await again.line("error ")).toMatch(/^error store-full .*"freeBytes":0,"neededBytes":33554432/);
      await again.signal("SIGKILL");
      const ids = await writtenIn(dataDir);
      expect(ids.length).toBeGreaterThanOrEqual(acknowledged);
      expect(ids).toEqual(ids.map((_, index) => index + 1));
    },
  );

  it("keeps its own files apart from PGlite's", async () => {
    const dataDir = path.join(await tempDir(), "deep", "store");
    await mkdir(path.dirname(dataDir));
    const database = await openPgliteDatabase({ dataDir });
    expect(database.durability).toBe("D2");
    await database.close();
    expect(existsSync(path.join(dataDir, "pgdata", "PG_VERSION"))).toBe(true);
  });
});
