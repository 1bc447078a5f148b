import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { runStoreProgram } from "../../testing/run-store-program.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { lockDirectory } from "./directory-lock.ts";
import { thisProcess } from "./lock-holder.ts";

const lockFiles = (directory: string): string[] => readdirSync(directory).filter((name) => name.startsWith("lock"));

describe("directory lock", () => {
  it("F-A14 refuses a second holder, names the first, and is free again after release", async () => {
    const directory = await tempDir();
    const lock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: "store-locked", details: { pid: process.pid } });
    await lock.release();
    await lock.release();
    const again = await lockDirectory(directory);
    await again.release();
  });

  it("F-A14 is not stolen from a stopped process, and is taken over once that is killed", { timeout: 120_000 }, async () => {
    const directory = await tempDir();
    const holder = runStoreProgram({ dataDir: directory });
    await holder.line("open ");
    await holder.signal("SIGSTOP");
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await expect(lockDirectory(directory)).rejects.toMatchObject({ code: "store-locked", details: { pid: holder.pid } });
    }
    const second = runStoreProgram({ dataDir: directory });
    expect(await second.line("error ")).toContain(`"pid":${holder.pid}`);
    await holder.signal("SIGKILL");
    const lock = await lockDirectory(directory);
    expect(lockFiles(directory).length).toBe(2);
    await lock.release();
  });

  it("is held by exactly one of many contenders for a dead process's lock", async () => {
    for (let round = 0; round < 20; round += 1) {
      const directory = await tempDir();
      writeFileSync(path.join(directory, "lock.7"), JSON.stringify({ ...thisProcess(null), startTicks: "1" }));
      const results = await Promise.allSettled(Array.from({ length: 8 }, async () => await lockDirectory(directory)));
      const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(won.length).toBe(1);
      for (const result of results)
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "store-locked" });
      expect(readdirSync(directory).filter((name) => name.startsWith("lock.") && !name.includes("draft"))).toEqual(["lock.8"]);
      await won[0]?.release();
    }
  });

  it("takes over after a reboot, after another process got the pid, and from a damaged file", async () => {
    const self = thisProcess(null);
    const stale = [
      { ...self, bootId: "another" },
      { ...self, startTicks: "12" },
      { ...self, pid: 2 ** 22 + 5 },
    ];
    for (const holder of [...stale.map((value) => JSON.stringify(value)), "", '{"pid":', "null"]) {
      const directory = await tempDir();
      writeFileSync(path.join(directory, "lock.3"), holder);
      await (await lockDirectory(directory)).release();
    }
  });

  it("takes a process of another container for alive unless its socket is refused", async () => {
    const directory = await tempDir();
    const foreign = { ...thisProcess("gone.sock"), pidSpace: "pid:[1]" };
    writeFileSync(path.join(directory, "lock.1"), JSON.stringify(foreign));
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: "store-locked" });

    const other = await tempDir();
    const holder = runStoreProgram({ dataDir: other });
    await holder.line("open ");
    const [file = ""] = lockFiles(other).filter((name) => /^lock\.\d+$/.test(name));
    const seen = JSON.parse(readFileSync(path.join(other, file), "utf8")) as object;
    writeFileSync(path.join(other, file), JSON.stringify({ ...seen, pid: 1, pidSpace: "pid:[1]" }));
    await expect(lockDirectory(other)).rejects.toMatchObject({ code: "store-locked" });
    await holder.signal("SIGKILL");
    await (await lockDirectory(other)).release();
  });

  it("works in a directory whose path is longer than a socket's may be", async () => {
    const directory = path.join(await tempDir(), "x".repeat(120));
    await mkdir(directory);
    const lock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: "store-locked" });
    await lock.release();
    await (await lockDirectory(directory)).release();
  });
});
