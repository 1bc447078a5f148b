import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../testing/temp-dir.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { openPostgresDatabase } from "./open-postgres-database.ts";

const serverDir = async (): Promise<string> => {
  const parent = await tempDir();
  await chmod(parent, 0o755);
  return path.join(parent, "data");
};

const pidIn = (dataDir: string): number => Number(readFileSync(path.join(dataDir, "postmaster.pid"), "utf8").split("\n")[0]);

describe("embedded Postgres", () => {
  it("keeps rows over a clean stop, over a kill of the server, and beside a stale pid file", { timeout: 120_000 }, async () => {
    const dataDir = await serverDir();
    const first = await startEmbeddedPostgres({ dataDir });
    const db = await openPostgresDatabase({ connectionString: first.connectionString });
    await db.script("create table t (id int); insert into t values (1)");
    expect((await db.query("show fsync")).rows).toEqual([{ fsync: "on" }]);
    await db.script("alter database postgres set synchronous_commit = off");
    await db.close();
    const careless = await openPostgresDatabase({ connectionString: first.connectionString });
    const waits = await careless.transaction(async (tx) => (await tx.query("show synchronous_commit")).rows);
    expect([careless.durability, waits]).toEqual(["D3", [{ synchronous_commit: "on" }]]);
    await careless.script("alter database postgres set synchronous_commit = remote_apply");
    await careless.close();
    const strict = await openPostgresDatabase({ connectionString: first.connectionString });
    expect((await strict.query("show synchronous_commit")).rows).toEqual([{ synchronous_commit: "remote_apply" }]);
    await strict.script("alter database postgres reset synchronous_commit");
    await strict.close();
    await expect(
      startEmbeddedPostgres({ dataDir, port: first.port + 1 }).then(
        () => "started",
        () => "refused",
      ),
    ).resolves.toBe("refused");
    await first.stop();
    expect(existsSync(path.join(dataDir, "postmaster.pid"))).toBe(false);

    const second = await startEmbeddedPostgres({ dataDir });
    const again = await openPostgresDatabase({ connectionString: second.connectionString });
    await again.query("insert into t values (2)");
    process.kill(pidIn(dataDir), "SIGKILL");
    await expect(again.query("select pg_sleep(5)")).rejects.toMatchObject({ code: "unavailable" });
    await again.close();
    await second.stop();

    // Our own pid stands for any process that got the dead server's number.
    writeFileSync(path.join(dataDir, "postmaster.pid"), `${process.pid}\n${dataDir}\n`);
    const third = await startEmbeddedPostgres({ dataDir });
    const last = await openPostgresDatabase({ connectionString: third.connectionString });
    expect((await last.query("select id from t order by id")).rows).toEqual([{ id: 1 }, { id: 2 }]);
    await last.close();
    await third.stop();
  });

  it("leaves no server behind when its process is killed", { timeout: 120_000 }, async () => {
    const dataDir = await serverDir();
    const program = new URL("../../testing/server-program.js", import.meta.url).pathname;
    const child = spawn(process.execPath, [program, dataDir], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const pid = pidIn(dataDir);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 30_000 }).toBe(false);
  });
});
