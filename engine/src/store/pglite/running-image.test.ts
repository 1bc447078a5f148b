import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { tempDir } from "../../testing/temp-dir.ts";
import type { Database } from "../database.ts";
import { checkpointWhenDue } from "./checkpoint.ts";
import { openPgliteDatabase } from "./open-pglite-database.ts";
import { copyRunning, type ImageSink } from "./running-image.ts";

const valuesOf = async (database: Database): Promise<readonly number[]> =>
  (await database.query<{ id: number }>("select id from written order by id")).rows.map(({ id }) => id);

/** Writes an image's parts below a directory. */
const into = (directory: string): ImageSink => ({
  directory: async (name) => {
    await mkdir(path.join(directory, name), { recursive: true });
  },
  file: async (name, sizeBytes, content) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    expect([name, whole.length]).toEqual([name, sizeBytes]);
    await writeFile(path.join(directory, name), whole);
  },
});

it(
  "S12.6 an image taken between writes is the database of its end: pages that changed while they were copied, tables that came and went",
  { timeout: 120_000 },
  async () => {
    const [from, to] = [await tempDir(), await tempDir()];
    await mkdir(path.join(to, "pgdata"));
    const database = await openPgliteDatabase({ dataDir: from, durable: false });
    try {
      await database.script(
        "create table written (id int primary key, text text); create table goes (id int); insert into goes values (1)",
      );
      const write = async (rows: number): Promise<void> => {
        const [last] = (await database.query<{ id: number }>("select coalesce(max(id), 0) as id from written")).rows;
        await database.query("insert into written select $1 + n, repeat('x', 500) from generate_series(1, $2) n", [
          last?.id ?? 0,
          rows,
        ]);
        await database.query("update written set text = repeat('y', 400) where id % 7 = 0");
      };
      await write(500);
      let copied = 0;
      const sink = into(path.join(to, "pgdata"));
      const busy: ImageSink = {
        ...sink,
        file: async (name, size, content) => {
          copied += 1;
          if (copied % 100 === 0) await write(50);
          if (copied === 150) await database.script("drop table goes; create table comes (id int); insert into comes values (2)");
          await sink.file(name, size, content);
        },
      };
      const seen = await copyRunning(
        database,
        from,
        busy,
        async (tx) => (await tx.query<{ id: number }>("select id from written")).rows.length,
      );
      expect(seen).toBeGreaterThan(600);
      await write(100);
      // The database goes on as it was, and can be copied again.
      await copyRunning(database, from, { directory: async () => undefined, file: async () => undefined }, async () => null);
      const copy = await openPgliteDatabase({ dataDir: to, durable: false });
      try {
        expect((await valuesOf(copy)).length).toBe(seen);
        expect((await copy.query("select id from comes")).rows).toEqual([{ id: 2 }]);
        await expect(copy.query("select id from goes")).rejects.toMatchObject({ details: { sqlstate: "42P01" } });
        await copy.query("insert into written values (1000000, 'a live database')");
      } finally {
        await copy.close();
      }
    } finally {
      await database.close();
    }
  },
);

it("a sink that fails ends the copy with its error, and the next one is not refused", { timeout: 60_000 }, async () => {
  const from = await tempDir();
  const database = await openPgliteDatabase({ dataDir: from, durable: false });
  try {
    const failing: ImageSink = {
      directory: async () => undefined,
      file: async () => await Promise.reject(new Error("the stick is gone")),
    };
    await expect(copyRunning(database, from, failing, async () => null)).rejects.toThrow("the stick is gone");
    const quiet: ImageSink = { directory: async () => undefined, file: async () => undefined };
    expect(await copyRunning(database, from, quiet, async () => "whole")).toBe("whole");
    await database.query("create table filler as select repeat(md5(n::text), 20) as text from generate_series(1, 5000) n");
    expect(await checkpointWhenDue(database, 1_000_000)).toBe(true);
    expect(await checkpointWhenDue(database, 1_000_000)).toBe(false);
  } finally {
    await database.close();
  }
});
