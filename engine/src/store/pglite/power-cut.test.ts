import { PGlite } from "@electric-sql/pglite";
import { amcheck } from "@electric-sql/pglite/contrib/amcheck";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { effort } from "../../testing/effort.ts";
import type { PowerCut } from "../../testing/power-cuts.ts";
import { PowerCuts, recordProgram } from "../../testing/power-cuts.ts";
import type { DiskOperation } from "../../testing/recorded-disk.ts";
import { randomOf } from "../../testing/random-of.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { openPgliteDatabase } from "./open-pglite-database.ts";
import { pgliteProgram } from "./pglite-program.ts";
import { prepareDirectory } from "./prepare-directory.ts";

/** States that are opened; another choice of them by HAYLOFT_POWER_SEED. */
const states = effort(24);
const seed = Number(process.env["HAYLOFT_POWER_SEED"] ?? "1");
const ROWS = 40;

describe("PGlite and power cuts", () => {
  it(
    "F-A10 opens whole after a cut at any moment, with each acknowledged row",
    { timeout: 120_000 + states * 20_000 },
    async () => {
      const { cuts, record, place } = await recordWorkload(true);
      const random = randomOf(seed);
      const moments = cutsOf(record, states, random);
      for (const cut of moments) {
        cuts.build(cut, random, path.join(place, "cut", "pgdata"));
        const acknowledged = lastRow(cuts.saidBefore(cut));
        const found = await examine(path.join(place, "cut", "pgdata")).catch((cause: unknown) => {
          throw new Error(`does not open: ${JSON.stringify({ cut, seed })}`, { cause });
        });
        expect(found, JSON.stringify({ cut, seed })).toEqual({ rows: upTo(found.rows.length), broken: [] });
        // The commit that ran when the power went may have become durable before it could be acknowledged.
        expect([acknowledged, acknowledged + 1], JSON.stringify({ cut, seed })).toContain(found.rows.length);
      }
      const syncs = record.filter(({ kind }) => kind === "sync").length;
      process.stdout.write(
        `power cuts: ${moments.length} states of ${record.length} operations with ${syncs} syncs, seed ${seed}\n`,
      );
      // The store itself opens the last of them, and goes on.
      const database = await openPgliteDatabase({ dataDir: path.join(place, "cut") });
      await database.query("insert into written (id, filler) values (1000, 'goes on')");
      await database.close();
    },
  );

  it("F-A10 opens after a cut while Postgres made its lock file, which is empty then, or half", async () => {
    const dataDir = await tempDir();
    const open = async () => await openPgliteDatabase({ dataDir, durable: false });
    const database = await open();
    await database.script("create table written (id int primary key); insert into written values (1)");
    await database.close();
    for (const content of ["", "-4", "\0".repeat(512)]) {
      writeFileSync(path.join(dataDir, "pgdata", "postmaster.pid"), content);
      const again = await open();
      expect((await again.query("select id from written")).rows).toEqual([{ id: 1 }]);
      await again.close();
    }
  });

  it(
    "the recorded disk loses what was not synced: without fsync a cut takes acknowledged rows",
    { timeout: 120_000 },
    async () => {
      const { cuts, record, place } = await recordWorkload(false);
      const target = path.join(place, "cut", "pgdata");
      const at = record.findLastIndex((operation) => operation.kind === "said");
      cuts.build({ after: at + 1, mode: "lost" }, () => 0, target);
      const found = await examine(target).catch(() => ({ rows: [], broken: ["does not open"] }));
      expect(found.rows.length).toBeLessThan(ROWS);
    },
  );
});

async function recordWorkload(durable: boolean) {
  const place = await tempDir();
  const dataDir = path.join(place, "store");
  await (await openPgliteDatabase({ dataDir, durable: false })).close();
  const base = path.join(place, "base");
  cpSync(path.join(dataDir, "pgdata"), base, { recursive: true });
  const record = await recordProgram(new URL("../../testing/power-program.js", import.meta.url), {
    args: [dataDir, String(durable), String(ROWS)],
    root: path.join(dataDir, "pgdata"),
    record: path.join(place, "record"),
  });
  rmSync(dataDir, { recursive: true });
  return { cuts: new PowerCuts(base, record), record, place };
}

/** Half of the cuts are just before or after a sync, where most states differ; the others anywhere. */
function cutsOf(record: readonly DiskOperation[], count: number, random: () => number): readonly PowerCut[] {
  const syncs = record.flatMap(({ kind }, index) => (kind === "sync" ? [index] : []));
  const modes = ["lost", "torn", "torn", "kept"] as const;
  return Array.from({ length: count }, (_, index) => {
    const nearSync = syncs[Math.floor(random() * syncs.length)] ?? 0;
    const after = index % 2 === 0 ? nearSync + (index % 4 === 0 ? 0 : 1) : Math.floor(random() * (record.length + 1));
    return { after, mode: modes[Math.floor(random() * modes.length)] ?? "torn" };
  });
}

/** The rows that are there when it is opened as the store opens it, and what amcheck finds wrong with the tables and their indexes. */
async function examine(pgdata: string): Promise<{ readonly rows: readonly number[]; readonly broken: readonly string[] }> {
  await prepareDirectory(pgdata, null, true);
  const database = await PGlite.create({
    fs: new NodeFS(pgdata),
    extensions: { amcheck },
    pgliteWasmModule: await pgliteProgram(),
  });
  try {
    await database.exec("create extension if not exists amcheck");
    const present = await database.query<{ present: boolean }>("select to_regclass('written') is not null as present");
    const rows =
      present.rows[0]?.present === true
        ? (await database.query<{ id: number }>("select id from written order by id")).rows.map(({ id }) => id)
        : [];
    // Reads each value whole, those that are stored out of line, too.
    if (rows.length > 0) await database.query("select sum(length(filler)), sum(n) from written");
    const heaps = await database.query<{ found: string }>(
      `select c.oid::regclass || ': ' || v.msg as found
       from pg_class c cross join lateral verify_heapam(c.oid, check_toast => true) v where c.relkind in ('r', 't')`,
    );
    await database.exec(
      `select bt_index_check(c.oid, c.oid >= 16384) from pg_class c join pg_am a on a.oid = c.relam
       join pg_index i on i.indexrelid = c.oid where a.amname = 'btree' and c.relkind = 'i' and i.indisvalid and i.indisready`,
    );
    return { rows, broken: heaps.rows.map(({ found }) => found) };
  } finally {
    await database.close();
  }
}

const lastRow = (said: readonly string[]): number =>
  Number(said.findLast((line) => line.startsWith("row "))?.slice("row ".length) ?? "0");

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
