import { mkdtempSync, rmSync, chmodSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isSuperuser } from "../hub/prepare-database.ts";
import { openEmbeddedDatabase } from "./embedded-database.ts";

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "hub-embedded-"));
  chmodSync(dataDir, 0o755);
});

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = async (attach: boolean) => await openEmbeddedDatabase({ dataDir, port: 0, attach });

describe("openEmbeddedDatabase", () => {
  it("S13.1 gives a role that is no superuser, and keeps its data over a restart", async () => {
    const first = await open(false);
    const database = await openPostgresDatabase({ connectionString: first.connectionString });
    expect(await isSuperuser(database)).toBe(false);
    await database.script("create table kept (a int); insert into kept values (7)");
    await database.close();
    await first.stop();
    expect(statSync(path.join(dataDir, "application.password")).mode & 0o777).toBe(0o600);

    const second = await open(false);
    const again = await openPostgresDatabase({ connectionString: second.connectionString });
    expect((await again.query("select a from kept")).rows).toEqual([{ a: 7 }]);
    await again.close();
    await second.stop();
  });

  it("lets a command use the running server and refuses a second hub", async () => {
    const running = await open(false);
    await expect(open(false)).rejects.toMatchObject({ code: "store-locked" });
    const attached = await open(true);
    expect([attached.owned, attached.connectionString]).toEqual([false, running.connectionString]);
    await attached.stop();
    const database = await openPostgresDatabase({ connectionString: running.connectionString });
    expect((await database.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await database.close();
    await running.stop();
  });

  it("ignores an owner that lives no more, or whose process id another process has now", async () => {
    for (const owner of [{ pid: 2 ** 22 + 1, start: "0", port: 1 }, { pid: process.pid, start: "not ours", port: 1 }, "{"]) {
      writeFileSync(path.join(dataDir, "owner.json"), typeof owner === "string" ? owner : JSON.stringify(owner));
      const opened = await open(true);
      expect(opened.owned).toBe(true);
      await opened.stop();
    }
  });

  it("refuses a damaged password with a clear error", async () => {
    writeFileSync(path.join(dataDir, "application.password"), "x'; drop");
    await expect(open(false)).rejects.toMatchObject({ code: "store-failed" });
  });
});
