import { PGlite } from "@electric-sql/pglite";
import { amcheck } from "@electric-sql/pglite/contrib/amcheck";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { effort } from "../../testing/effort.ts";
import type { PowerCut } from "../../testing/power/power-cuts.ts";
import { PowerCuts, recordProgram } from "../../testing/power/power-cuts.ts";
import type { CutMode, DiskOperation } from "../../testing/power/recorded-disk.ts";
import { RecoveryModel } from "../../testing/power/recovery-model.ts";
import { randomOf } from "../../testing/random-of.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { CONTROL } from "./control-file.ts";
import { openPgliteDatabase } from "./open-pglite-database.ts";
import { pgliteProgram } from "./pglite-program.ts";
import { prepareDirectory } from "./prepare-directory.ts";

/** States that PGlite opens; another choice of them by HAYLOFT_POWER_SEED. */
const opened = effort(40);
const seed = Number(process.env["HAYLOFT_POWER_SEED"] ?? "1");
/** Of each moment the states that are checked by the model. */
const EACH_MOMENT: readonly CutMode[] = ["lost", "kept", ...Array.from({ length: 6 }, () => "torn" as const)];
const POWER_PROGRAM = new URL("../../testing/power/power-program.js", import.meta.url);
const ROWS = 40;
const TRANSACTIONS = /^pg_(?:xact|multixact)\//u;

let home: string;
let durable: PowerCuts;

describe("PGlite and power cuts", () => {
  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), "hayloft-power-"));
    durable = await recordWorkload(home, true);
  });
  afterAll(() => rm(home, { recursive: true }));

  it("F-A10 is whole after a cut at any moment, with each acknowledged row", { timeout: 120_000 + opened * 20_000 }, async () => {
    const dataDir = await tempDir();
    const model = new RecoveryModel(durable.record, (file) => durable.baseOf(file));
    expect(uncertainTransactions(durable)).toEqual([]);
    const toOpen = new Set(cutsToOpen(durable.record));
    const moments = [...cutsEverywhere(durable.record, EACH_MOMENT), ...toOpen];
    for (const [cut, state] of durable.states(moments)) {
      const { reach, missing } = model.recoveryOf(state);
      const rows = placesOfRows(durable.record).filter((end) => end <= reach).length;
      const acknowledged = placesOfRows(durable.record.slice(0, cut.after)).length;
      // The commit that ran when the power went may have become durable before it could be acknowledged.
      expect([acknowledged, acknowledged + 1], told(cut)).toContain(rows);
      expect(missing, told(cut)).toEqual([]);
      if (!toOpen.has(cut)) continue;
      const pgdata = path.join(dataDir, "pgdata");
      durable.write(state, pgdata);
      const found = await examine(pgdata).catch((cause: unknown) => {
        throw new Error(`does not open: ${told(cut)}`, { cause });
      });
      expect(found, told(cut)).toEqual({ rows: upTo(rows), broken: [] });
    }
    const syncs = durable.record.filter(({ kind }) => kind === "sync").length;
    process.stdout.write(
      `power cuts: ${moments.length} states of ${durable.record.length} operations with ${syncs} syncs, ${toOpen.size} opened, seed ${seed}\n`,
    );
    // The store itself opens the last of them, and goes on.
    const database = await openPgliteDatabase({ dataDir });
    await database.query("insert into written (id, filler) values (1000, 'goes on')");
    await database.close();
  });

  it.each([
    { without: "any sync", isLost: () => true },
    { without: "syncs of the log", isLost: (file: string) => file.startsWith("pg_wal/") },
    { without: "syncs of tables and indexes", isLost: (file: string) => /^base\/\d+\//u.test(file) },
    { without: "syncs of directories", isLost: (file: string) => /^(?:|base\/\d+|pg_wal)$/u.test(file) },
    { without: "syncs of the state of transactions", isLost: (file: string) => file.startsWith("pg_xact/") },
  ])("the recorded disk loses what was not synced: without $without a cut is seen to do harm", ({ isLost }) => {
    const record = durable.record.filter((operation) => operation.kind !== "sync" || !isLost(operation.file));
    const cuts = durable.of(record);
    const model = new RecoveryModel(record, (file) => cuts.baseOf(file));
    const harm = [...uncertainTransactions(cuts)];
    for (const [cut, state] of cuts.states(cutsEverywhere(record, ["lost"]))) {
      const { reach, missing } = model.recoveryOf(state);
      if (placesOfRows(record.slice(0, cut.after)).some((end) => end > reach))
        harm.push(`an acknowledged row is lost: ${told(cut)}`);
      harm.push(...missing);
    }
    expect(harm).not.toEqual([]);
  });

  it("F-A7 F-A10 a new store has its name when all of it is durable, and says that it is open when its name is", async () => {
    const directory = await tempDir();
    const dataDir = path.join(directory, "store");
    const base = path.join(directory, "base");
    mkdirSync(base);
    const record = await recordProgram(POWER_PROGRAM, {
      args: [dataDir, "true", "1"],
      root: dataDir,
      record: path.join(directory, "record"),
    });
    const cuts = new PowerCuts(base, record);
    const named = record.findIndex((operation) => operation.kind === "rename" && operation.to === "pgdata");
    const open = record.findIndex((operation) => operation.kind === "said");
    const [atName, atOpen] = cuts.uncertainAt((operation) => operation === record[named] || operation === record[open]);
    expect(atName?.[1].filter((file) => file.startsWith("pgdata.new/"))).toEqual([]);
    expect(atOpen?.[1].filter((file) => ["pgdata", "pgdata.new"].includes(file))).toEqual([]);
    // In the middle of its files, when it has its name, and when it was open.
    const moments = [Math.floor(named / 2), named + 1, open + 1];
    const states = cuts.states(moments.map((after, index) => ({ after, mode: index % 2 === 0 ? "torn" : "lost", seed })));
    for (const [cut, state] of states) {
      const target = path.join(directory, "cut");
      cuts.write(state, target);
      const database = await openPgliteDatabase({ dataDir: target });
      const { rows } = await database.query("select to_regclass('written') is not null as there");
      expect(rows, told(cut)).toEqual([{ there: cut.after > open }]);
      await database.close();
    }
  });

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

  it("without fsync a cut takes acknowledged rows from a store that PGlite opens", async () => {
    const cuts = await recordWorkload(await tempDir(), false);
    const after = cuts.record.findLastIndex((operation) => operation.kind === "said") + 1;
    const pgdata = path.join(await tempDir(), "pgdata");
    for (const [, state] of cuts.states([{ after, mode: "lost", seed }])) cuts.write(state, pgdata);
    const found = await examine(pgdata).catch(() => ({ rows: [], broken: ["does not open"] }));
    expect(found.rows.length).toBeLessThan(ROWS);
  });
});

async function recordWorkload(directory: string, isDurable: boolean): Promise<PowerCuts> {
  const dataDir = path.join(directory, "store");
  await (await openPgliteDatabase({ dataDir, durable: false })).close();
  const base = path.join(directory, "base");
  cpSync(path.join(dataDir, "pgdata"), base, { recursive: true });
  const record = await recordProgram(POWER_PROGRAM, {
    args: [dataDir, String(isDurable), String(ROWS)],
    root: path.join(dataDir, "pgdata"),
    record: path.join(directory, "record"),
  });
  rmSync(dataDir, { recursive: true });
  return new PowerCuts(base, record);
}

/** Each moment in each of these ways. */
function cutsEverywhere(record: readonly DiskOperation[], modes: readonly CutMode[]): readonly PowerCut[] {
  return modes.flatMap((mode, turn) =>
    Array.from({ length: record.length + 1 }, (_, after) => ({ after, mode, seed: seed * 1_000_003 + turn * 100_003 + after })),
  );
}

/** Half of the cuts are just before or after a sync, where most states differ; the others anywhere. */
function cutsToOpen(record: readonly DiskOperation[]): readonly PowerCut[] {
  const random = randomOf(seed);
  const syncs = record.flatMap(({ kind }, index) => (kind === "sync" ? [index] : []));
  const modes = ["lost", "torn", "torn", "kept"] as const;
  return Array.from({ length: opened }, (_, index) => {
    const nearSync = syncs[Math.floor(random() * syncs.length)] ?? 0;
    const after = index % 2 === 0 ? nearSync + (index % 4 === 0 ? 0 : 1) : Math.floor(random() * (record.length + 1));
    return { after, mode: modes[Math.floor(random() * modes.length)] ?? "torn", seed: Math.floor(random() * 2 ** 32) };
  });
}

const told = (cut: PowerCut): string => JSON.stringify(cut);

/** Of each row that was acknowledged: where in the log its commit ends, as Postgres says. */
function placesOfRows(record: readonly DiskOperation[]): readonly number[] {
  return record.flatMap((operation) => {
    const place = operation.kind === "said" ? /^row \d+ (?<place>\d+)$/u.exec(operation.line)?.groups?.["place"] : undefined;
    return place === undefined ? [] : [Number(place)];
  });
}

/**
 * Files with the state of transactions that a power cut could still change when a checkpoint is named, from which on the log does not tell
 * it again. They have no place in the log by which a state would show it.
 */
function uncertainTransactions(cuts: PowerCuts): readonly string[] {
  const isCheckpoint = (operation: DiskOperation): boolean => operation.kind === "write" && operation.file === CONTROL;
  return [...cuts.uncertainAt(isCheckpoint)].flatMap(([, files]) => files.filter((file) => TRANSACTIONS.test(file)));
}

/** The rows that are there when it is opened as the store opens it, and what amcheck finds wrong with the tables and their indexes. */
async function examine(pgdata: string): Promise<{ readonly rows: readonly number[]; readonly broken: readonly string[] }> {
  await prepareDirectory(pgdata, null, true);
  const database = await PGlite.create({
    fs: new NodeFS(pgdata),
    extensions: { amcheck },
    pgliteWasmModule: await pgliteProgram(),
    // Most of an opening is the making of its buffers.
    startParams: [...PGlite.defaultStartParams, "-c", "shared_buffers=4MB"],
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

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
