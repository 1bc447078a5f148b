import { spawnSync } from "node:child_process";
import { expect, it, vi } from "vitest";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { BRIEF_NODE } from "../testing/brief-node.ts";
import { fleetVersions } from "../testing/fleet-versions.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { compareCatalog } from "./compare-catalog.ts";
import { migrate } from "./migrate.ts";

vi.setConfig({ testTimeout: 600_000 });

const program = new URL("../testing/migrate-program.js", import.meta.url).pathname;
const [first, , third] = fleetVersions;
const owner = { nodeId: "019abc00-0000-7000-8000-000000000001", tier: "edge" };

it("F-A8 S11.4 a process that is killed in the middle of a migration leaves the version before it, and the next start completes it", async () => {
  const dataDir = await tempDir();
  const before = await openPgliteDatabase({ dataDir });
  await migrate(before, { ...first, ...owner });
  await before.query("insert into note (tenant_id, id, body) values ('t', 'a', 'unsent')");
  await before.close();

  const run = (killBefore: number) =>
    spawnSync(process.execPath, [...BRIEF_NODE, program, dataDir, String(killBefore)], { encoding: "utf8" });
  for (const statement of [6, 14, 22]) {
    expect({ statement, signal: run(statement).signal }).toEqual({ statement, signal: "SIGKILL" });
    const left = await openPgliteDatabase({ dataDir });
    const { rows } = await left.query("select catalog_version, (select body from note) as body from hayloft.replica");
    expect({ statement, rows }).toEqual({ statement, rows: [{ catalog_version: 1, body: "unsent" }] });
    expect(await compareCatalog(left, first.catalog)).toEqual([]);
    await left.close();
  }
  const { stdout } = run(0);
  expect(Number(/^migrated (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(22);
  const after = await openPgliteDatabase({ dataDir });
  const { rows } = await after.query(
    "select catalog_version, (select words from note) as words, (select count(*) from hayloft.commit) as commits from hayloft.replica",
  );
  expect(rows).toEqual([{ catalog_version: 3, words: "unsent", commits: 1 }]);
  expect(await compareCatalog(after, third.catalog)).toEqual([]);
  await after.close();
});

it("F-A1 a process that is killed before its commit has written nothing, and burnt no position", async () => {
  const dataDir = await tempDir();
  const before = await openPgliteDatabase({ dataDir });
  await migrate(before, { ...first, ...owner });
  const write = "insert into note (tenant_id, id, body) values ('t', $1, 'x')";
  await before.query(write, ["before"]);
  await before.close();
  const writer = new URL("../testing/killed-writer-program.js", import.meta.url).pathname;
  expect(spawnSync(process.execPath, [...BRIEF_NODE, writer, dataDir]).signal).toBe("SIGKILL");
  const after = await openPgliteDatabase({ dataDir });
  await after.query(write, ["after"]);
  const notes = await after.query<{ id: string }>("select id from note order by id");
  expect(notes.rows.map(({ id }) => id)).toEqual(["after", "before"]);
  expect((await after.query("select position, seq from hayloft.commit order by position")).rows).toEqual([
    { position: 1, seq: 1 },
    { position: 2, seq: 2 },
  ]);
  expect((await after.query("select 1 from hayloft.change")).rows).toHaveLength(2);
  await after.close();
});
