import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { HayloftError } from "../../error/hayloft-error.ts";
import { randomOf } from "../../testing/random-of.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { findDamage } from "./find-damage.ts";
import { openPgliteDatabase, type PgliteOptions } from "./open-pglite-database.ts";
import { isWholePage, PAGE_BYTES } from "./page-checksum.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let whole: string;
let files: Readonly<Record<"heap" | "index", string>>;

beforeAll(async () => {
  whole = await mkdtemp(path.join(tmpdir(), "hayloft-whole-"));
  const database = await openPgliteDatabase({ dataDir: whole, durable: false });
  await database.script(
    "create table seen (id integer primary key, body text); insert into seen select g, repeat('x', 200) from generate_series(1, 4000) g",
  );
  const { rows } = await database.query<typeof files>(
    "select pg_relation_filepath('seen') as heap, pg_relation_filepath('seen_pkey') as index",
  );
  await database.close();
  files = rows[0] ?? { heap: "", index: "" };
  return () => rmSync(whole, { recursive: true, force: true });
});

/** A copy of the whole store with a byte of a file altered. */
async function altered(file: string, at: number): Promise<string> {
  const dataDir = await tempDir();
  cpSync(path.join(whole, "pgdata"), path.join(dataDir, "pgdata"), { recursive: true });
  const handle = await open(path.join(dataDir, "pgdata", file), "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, at);
  await handle.close();
  return dataDir;
}

const opened = async (dataDir: string, options: Partial<PgliteOptions> = {}) => {
  const lost: HayloftError[] = [];
  const database = await openPgliteDatabase({ dataDir, durable: false, onFatal: (error) => lost.push(error), ...options });
  return { database, lost };
};

describe("F-A11 a store of which a page was altered on the disk", () => {
  it.each([
    ["a table, when it is read", "heap", "select count(*) from seen"],
    ["an index, when a row is written", "index", "insert into seen values (5, 'again') on conflict do nothing"],
  ] as const)(
    "F-A11 in %s, ends at once, does nothing more, and is not opened again as if it were whole",
    async (_name, kind, sql) => {
      const page = kind === "heap" ? 7 : 1;
      const dataDir = await altered(files[kind], page * PAGE_BYTES + 5_000);
      const { database, lost } = await opened(dataDir);
      await database.query("select 1");
      await expect(database.query(sql)).rejects.toMatchObject({ code: "store-damaged", details: { sqlstate: "XX001" } });
      expect(lost.map(({ code }) => code)).toEqual(["store-damaged"]);
      for (const after of ["select 1", "insert into seen values (0, 'lost')"])
        await expect(database.query(after)).rejects.toMatchObject({ code: "store-damaged" });
      await database.close();
      await expect(opened(dataDir)).rejects.toMatchObject({ code: "store-damaged", details: { sqlstate: "XX001" } });
    },
  );

  it("F-A11 is found by reading all pages, also where no statement looks, and a whole one has none", async () => {
    const dataDir = await altered(files.heap, 100 * PAGE_BYTES + 77);
    const found = { file: files.heap, page: 100 };
    expect(await findDamage(path.join(dataDir, "pgdata"))).toEqual(found);
    expect(await findDamage(path.join(whole, "pgdata"))).toBeNull();
    const told = await new Promise<HayloftError>((resolve) => {
      void opened(dataDir, { checkEveryMs: 1_000_000, onFatal: resolve });
    });
    expect(told).toMatchObject({ code: "store-damaged", details: found });
  });

  it("F-A11 that cannot be opened for it is told from one whose opening failed otherwise", async () => {
    const log = readdirSync(path.join(whole, "pgdata", "pg_wal")).find((name) => name.length === 24) ?? "";
    const control = readFileSync(path.join(whole, "pgdata", "global", "pg_control"));
    const checkpoint = Number(control.readBigUInt64LE(32)) % (16 * 1024 * 1024);
    const places = [
      ["global/pg_control", 40, "global/pg_control"],
      [`pg_wal/${log}`, checkpoint + 30, "global/pg_control"],
      ["global/pg_filenode.map", 20, "global/pg_filenode.map"],
    ] as const;
    for (const [file, at, named] of places) {
      const dataDir = await altered(file, at);
      await expect(opened(dataDir)).rejects.toMatchObject({ code: "store-damaged", details: { file: named } });
    }
    const other = await altered("postgresql.conf", 0);
    const handle = await open(path.join(other, "pgdata", "postgresql.conf"), "w");
    await handle.write("no setting\n");
    await handle.close();
    await expect(opened(other)).rejects.toMatchObject({ code: "store-failed" });
  });

  it("F-A11 shows each altered byte of each page of a real database", () => {
    const random = randomOf(11);
    for (const file of Object.values(files)) {
      const bytes = readFileSync(path.join(whole, "pgdata", file));
      for (let block = 0; block < bytes.length / PAGE_BYTES; block += 1) {
        const page = Uint8Array.from(bytes.subarray(block * PAGE_BYTES, (block + 1) * PAGE_BYTES));
        expect(isWholePage(page, block)).toBe(true);
        expect(isWholePage(page, block + 1)).toBe(false);
        const at = Math.floor(random() * PAGE_BYTES);
        page[at] = (page[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        expect([file, block, at, isWholePage(page, block)]).toEqual([file, block, at, false]);
      }
    }
  });
});
