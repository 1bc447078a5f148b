import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { compareCatalog } from "../../migrate/compare-catalog.ts";
import { migrate } from "../../migrate/migrate.ts";
import { replicaRebuild } from "../../migrate/rebuild-database.ts";
import { BRIEF_NODE } from "../../testing/brief-node.ts";
import { fleetVersions } from "../../testing/fleet-versions.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import type { Database } from "../database.ts";
import { sumTables } from "./copy-database.ts";
import { openPgliteDatabase } from "./open-pglite-database.ts";
import { installedPglite } from "./installed-pglite.ts";
import { readStoreVersion, writeStoreVersion } from "./store-version.ts";
import { settleDirectory, type UpgradeStep } from "./upgrade-directory.ts";

vi.setConfig({ testTimeout: 600_000 });

const [, version] = fleetVersions;
const owner = { nodeId: "019abc00-0000-7000-8000-000000000001", tier: "edge" };
const rebuild = replicaRebuild(version.migrations);
const program = new URL("../../testing/upgrade-program.js", import.meta.url).pathname;

/** What has to be the same on both sides; which triggers there are is generated anew. */
const sums = async (database: Database) =>
  (await database.transaction(sumTables)).filter(({ table }) => table !== "hayloft.replica");

/** A store with work that was never sent, marked as made by another PGlite. */
async function oldStore(madeBy: string): Promise<{ dataDir: string; pgdata: string; before: Awaited<ReturnType<typeof sums>> }> {
  const dataDir = await tempDir();
  const pgdata = path.join(dataDir, "pgdata");
  const database = await openPgliteDatabase({ dataDir, durable: false });
  await migrate(database, { ...version, ...owner });
  await database.query(`insert into note (tenant_id, id, words, mood) select 't', i::text, 'hay ' || i, case when i % 3 = 0 then E'a\\x1fb"\\\\' end
    from generate_series(1, 5000) as i`);
  await database.query("update note set pinned = true where id < '3'");
  await database.query("delete from note where id = '7'");
  await database.query(
    "insert into reading (tenant_id, id, value, unit) select 't', gen_random_uuid(), i / 7.0, 'c' from generate_series(1, 100) as i",
  );
  const before = await sums(database);
  await database.close();
  writeStoreVersion(pgdata, { pglite: madeBy, postgres: 18, replacedAt: null });
  return { dataDir, pgdata, before };
}

describe("a store of another PGlite", () => {
  it("S11.5 is moved with its unsent work, and a process that is killed at any step loses nothing", async () => {
    const { dataDir, pgdata, before } = await oldStore("0.4.9");
    const steps: readonly UpgradeStep[] = ["found", "built", "copied", "verified", "marked", "set-aside"];
    for (const step of steps) {
      const { stdout, signal } = spawnSync(process.execPath, [...BRIEF_NODE, program, dataDir, step], { encoding: "utf8" });
      expect({ step, signal, last: stdout.trim().split("\n").at(-1) }).toEqual({ step, signal: "SIGKILL", last: step });
      // Until the switch the old directory is what it was; then it stands aside.
      const old = step === "set-aside" ? `${pgdata}.previous` : pgdata;
      expect(readStoreVersion(old)?.pglite).toBe("0.4.9");
    }
    expect(existsSync(pgdata)).toBe(false);

    const database = await openPgliteDatabase({ dataDir, durable: false, rebuild });
    expect(readStoreVersion(pgdata)?.pglite).toBe(installedPglite());
    expect(await sums(database)).toEqual(before);
    expect(before.find(({ table }) => table === "public.note")?.rows).toBe("4999");
    expect(existsSync(`${pgdata}.previous`)).toBe(true);

    // It goes on as if nothing had been: everything is captured, in the same chain.
    await migrate(database, { ...version, ...owner });
    expect(await compareCatalog(database, version.catalog)).toEqual([]);
    await database.query("insert into note (tenant_id, id, words) values ('t', 'after', 'the move')");
    const { rows } = await database.query<{ seq: number; chained: boolean }>(
      `select seq, previous_hash = lag(hash) over (order by seq) as chained from hayloft.commit order by seq desc limit 1`,
    );
    expect(rows).toEqual([{ seq: 5, chained: true }]);
    await database.close();
  });

  it("S11.5 the directory that was replaced is kept for a week", async () => {
    const { dataDir, pgdata } = await oldStore("0.4.9");
    const steps: string[] = [];
    const database = await openPgliteDatabase({ dataDir, durable: false, rebuild, onUpgrade: (step) => steps.push(step) });
    await database.close();
    expect(steps).toEqual(["found", "built", "copied", "verified", "marked", "set-aside", "switched"]);
    settleDirectory(pgdata, Date.now() + 6 * 86_400_000);
    expect(existsSync(`${pgdata}.previous`)).toBe(true);
    settleDirectory(pgdata, Date.now() + 8 * 86_400_000);
    expect(existsSync(`${pgdata}.previous`)).toBe(false);
  });

  it("S11.4 S11.5 is refused when a later PGlite made it, or nobody says how its tables are made; it stays as it is", async () => {
    const { dataDir, pgdata, before } = await oldStore("99.1.0");
    await expect(openPgliteDatabase({ dataDir, rebuild })).rejects.toMatchObject({
      code: "store-version",
      details: { reason: "made by a later version", madeBy: "99.1.0", installed: installedPglite() },
    });
    writeStoreVersion(pgdata, { pglite: "0.4.9", postgres: 18, replacedAt: null });
    await expect(openPgliteDatabase({ dataDir })).rejects.toMatchObject({ code: "store-version" });
    writeStoreVersion(pgdata, { pglite: installedPglite(), postgres: 18, replacedAt: null });
    const database = await openPgliteDatabase({ dataDir, durable: false });
    expect(await sums(database)).toEqual(before);
    await database.close();
  });

  it("S11.5 a table that no migration makes stops the move before anything is switched", async () => {
    const { dataDir, pgdata } = await oldStore(installedPglite());
    const before = await openPgliteDatabase({ dataDir, durable: false });
    await before.script("create table by_hand (id int primary key)");
    await before.close();
    writeStoreVersion(pgdata, { pglite: "0.4.9", postgres: 18, replacedAt: null });
    await expect(openPgliteDatabase({ dataDir, durable: false, rebuild })).rejects.toMatchObject({
      code: "store-failed",
      details: { reason: "the new directory has other tables", table: "public.by_hand (id integer)" },
    });
    expect(readStoreVersion(pgdata)?.pglite).toBe("0.4.9");
    expect(readFileSync(path.join(pgdata, "PG_VERSION"), "utf8").trim()).toBe("18");
  });
});
