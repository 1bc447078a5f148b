import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeDigest, commitHash, sameBytes } from "../commit/commit-hash.ts";
import type { Change } from "../commit/commit.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { eachDatabase } from "../testing/index.ts";
import { refusalOf } from "./sqlstate.ts";
import { applying, logOf, NODE_ID, sampleDatabase } from "./sample-database.ts";
import type { LoggedCommit } from "./sample-database.ts";

const ids = (count: number, prefix = 0): string[] =>
  Array.from(
    { length: count },
    (_, index) => `00000000-0000-7000-8000-${String(prefix).padStart(4, "0")}${String(index).padStart(8, "0")}`,
  );

/** The only change of the only commit. */
function onlyChange(log: readonly LoggedCommit[]): Change {
  expect(log).toHaveLength(1);
  const [change] = log[0]?.changes ?? [];
  if (change === undefined) throw new Error("the commit has no change");
  return change;
}

const insertNotes = async (session: SqlSession, noteIds: readonly string[], tenant = "t1", farm = "f1"): Promise<void> => {
  await session.query(
    "insert into note (tenant_id, id, farm_id, title) select $1, id, $2, 'n' || id from unnest($3::uuid[]) as u (id)",
    [tenant, farm, noteIds],
  );
};

const vector = (change: Change, column: string): readonly (string | null)[] =>
  change.values[change.columns.indexOf(column)] ?? [];

eachDatabase("capture", (open) => {
  const on = async (tier: string, work: (database: Database) => Promise<void>): Promise<void> => {
    const database = await sampleDatabase(open, tier);
    try {
      await work(database);
    } finally {
      await database.close();
    }
  };

  it("makes one change of a statement, with whole rows in catalog order and derived columns left out", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(3));
      const change = onlyChange(await logOf(database, "t1"));
      expect(change).toMatchObject({ table: "note", op: "insert", rowCount: 3 });
      expect(change.columns.join()).toBe("tenant_id,id,farm_id,title,body,first_seen,seen_at,is_done,status,ratio,extra");
      expect(vector(change, "id")).toEqual(ids(3));
      expect(vector(change, "status")).toEqual(["open", "open", "open"]);
      expect(vector(change, "body")).toEqual([null, null, null]);
    });
  });

  it("writes bodies byte for byte as JSON.stringify does, for any text, number, JSON and time", async () => {
    await on("edge", async (database) => {
      const cell = fc.record({
        body: fc.option(
          fc
            .string({ unit: "binary", maxLength: 40 })
            .map((value) => Buffer.from(value.replaceAll("\u0000", ""), "utf8").toString("utf8")),
        ),
        ratio: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
        extra: fc.option(
          fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value).replaceAll(/\\u0000|\\ud[89a-f]../g, "")),
        ),
        seen: fc.option(fc.date({ min: new Date(0), max: new Date("2300-01-01T00:00:00Z"), noInvalidDate: true })),
        done: fc.boolean(),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 12 }), async (cells) => {
          run += 1;
          const noteIds = ids(cells.length, run);
          await database.query(
            `insert into note (tenant_id, id, farm_id, title, body, ratio, extra, seen_at, is_done)
             select 't1', id, 'f1', 'n' || id, body, ratio, extra::jsonb, seen::timestamptz, done
             from unnest($1::uuid[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::boolean[]) as u (id, body, ratio, extra, seen, done)`,
            [
              noteIds,
              cells.map((item) => item.body),
              cells.map((item) => (item.ratio === null ? null : Object.is(item.ratio, -0) ? "-0" : String(item.ratio))),
              cells.map((item) => item.extra),
              cells.map((item) => item.seen?.toISOString() ?? null),
              cells.map((item) => item.done),
            ],
          );
          const [stored] = (
            await database.query<{ body: string; digest: Uint8Array; columns: string }>(
              "select body, digest, columns from hayloft.change order by txn desc limit 1",
            )
          ).rows;
          if (stored === undefined) throw new Error("no change was captured");
          const values = JSON.parse(stored.body) as (string | null)[][];
          expect(JSON.stringify(values)).toBe(stored.body);
          const columns = stored.columns.split(",");
          expect(values[columns.indexOf("body")]).toEqual(cells.map((item) => item.body));
          expect(values[columns.indexOf("is_done")]).toEqual(cells.map((item) => String(item.done)));
          expect(values[columns.indexOf("ratio")]?.map((text) => (text === null ? null : Number(text)))).toEqual(
            cells.map((item) => item.ratio),
          );
          expect(sameBytes(changeDigest({ table: "note", op: "insert", columns, values }), stored.digest)).toBe(true);
        }),
        { numRuns: 60 },
      );
    });
  });

  it("writes the same body whatever the client's settings are", async () => {
    await on("edge", async (database) => {
      const insert = (id: string): string =>
        `insert into note (tenant_id, id, farm_id, title, seen_at, ratio, extra) values ('t1', '${id}', 'f1', '${id}', '2026-03-01 01:02:03.5+00', 0.1::float8 + 0.2::float8, '{"a": [1.50, "x"]}');
         insert into daily_count (tenant_id, id, farm_id, day, weight, animals) values ('t1', '${id}', 'f1', '2026-03-0${id.slice(-1)}', 2.5, 7);`;
      const [, first = "", second = ""] = ids(3);
      await database.transaction(async (tx) => await tx.script(insert(first)));
      await database.transaction(async (tx) => {
        await tx.script(`set local timezone = 'Asia/Tokyo'; set local datestyle = 'SQL, DMY'; set local extra_float_digits = 0;
          set local bytea_output = 'escape'; set local intervalstyle = 'iso_8601'; ${insert(second)}`);
      });
      const [one, two] = await logOf(database, "t1");
      const shown = (commit: LoggedCommit | undefined): unknown =>
        commit?.changes.map(({ columns, values }) =>
          columns.flatMap((name, place) => (["id", "title", "day"].includes(name) ? [] : [[name, ...(values[place] ?? [])]])),
        );
      expect(shown(two)).toEqual(shown(one));
      expect(vector(one?.changes[0] as Change, "seen_at")).toEqual(["2026-03-01 01:02:03.5+00"]);
      expect(vector(one?.changes[0] as Change, "ratio")).toEqual(["0.30000000000000004"]);
      expect(vector(two?.changes[1] as Change, "day")).toEqual(["2026-03-02"]);
    });
  });

  it("cuts a large statement into slices of 1,000 rows and loses none", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(2500));
      const [commit] = await logOf(database, "t1");
      expect(commit?.changes.map((change) => change.rowCount)).toEqual([1000, 1000, 500]);
      expect(new Set(commit?.changes.flatMap((change) => vector(change, "id")))).toEqual(new Set(ids(2500)));
    });
  });

  it("gives each tenant of a statement its own change and commit", async () => {
    await on("edge", async (database) => {
      await database.query(
        "insert into note (tenant_id, id, farm_id, title) select (array['t1', 't2'])[1 + i % 2], ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'f1', 'n' || i from generate_series(1, 2101) i",
      );
      const [first] = await logOf(database, "t1");
      const [second] = await logOf(database, "t2");
      expect(first?.changes.map((change) => change.rowCount)).toEqual([1000, 50]);
      expect(second?.changes.map((change) => change.rowCount)).toEqual([1000, 51]);
      expect(new Set(second?.changes.flatMap((change) => vector(change, "tenant_id")))).toEqual(new Set(["t2"]));
    });
  });

  it("names per row what an update changed, and leaves out rows that it did not", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(3));
      await database.query(
        "update note set title = case when id = $1::uuid then 'other' else title end, is_done = (id <> $2::uuid)",
        [ids(3)[0] ?? "", ids(3)[1] ?? ""],
      );
      const change = onlyChange((await logOf(database, "t1")).slice(1));
      expect(change.op).toBe("update");
      const changed = new Map(vector(change, "id").map((id, row) => [id, vector(change, "$changed")[row]]));
      expect(changed).toEqual(
        new Map([
          [ids(3)[0], "title,is_done"],
          [ids(3)[2], "is_done"],
        ]),
      );
    });
  });

  it("captures nothing when only derived columns change, and nothing of derived and local tables", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(1));
      await database.query("update note set words = 5");
      await database.query("insert into total (tenant_id, id, amount) values ('t1', 'a', 1)");
      await database.query("insert into inbox (tenant_id, id) values ('t1', 'a')");
      expect(await logOf(database, "t1")).toHaveLength(1);
    });
  });

  it("writes an eviction with the old scope before an update that moves a row", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(2));
      await database.query("update note set farm_id = 'f2' where id = $1::uuid", [ids(2)[0] ?? ""]);
      const [, moved] = await logOf(database, "t1");
      expect(moved?.changes.map((change) => change.op)).toEqual(["evict", "update"]);
      expect(moved?.changes[0]).toMatchObject({ columns: ["tenant_id", "id", "farm_id"], values: [["t1"], [ids(2)[0]], ["f1"]] });
      expect(vector(moved?.changes[1] as Change, "farm_id")).toEqual(["f2"]);
    });
  });

  it("carries key and scope of deleted rows", async () => {
    await on("edge", async (database) => {
      await insertNotes(database, ids(2));
      await database.query("delete from note");
      const change = onlyChange((await logOf(database, "t1")).slice(1));
      expect(change).toMatchObject({ op: "delete", columns: ["tenant_id", "id", "farm_id", "$seen"], rowCount: 2 });
    });
  });

  it("captures an upsert as an insert of the new and an update of the old rows", async () => {
    await on("edge", async (database) => {
      const [old = "", fresh = ""] = ids(2);
      await insertNotes(database, [old]);
      await database.query(
        "insert into note (tenant_id, id, farm_id, title) values ('t1', $1::uuid, 'f1', 'x'), ('t1', $2::uuid, 'f1', 'y') on conflict (tenant_id, id) do update set title = excluded.title",
        [old, fresh],
      );
      const [, commit] = await logOf(database, "t1");
      expect(commit?.changes.map((change) => [change.op, vector(change, "id")])).toEqual(
        expect.arrayContaining([
          ["insert", [fresh]],
          ["update", [old]],
        ]),
      );
    });
  });

  it("writes nothing while the engine applies", async () => {
    await on("edge", async (database) => {
      await applying(
        database,
        "insert into note (tenant_id, id, farm_id, title) values ('t1', '00000000-0000-7000-8000-000000000001', 'f1', 'x')",
      );
      expect(await logOf(database, "t1")).toHaveLength(0);
    });
  });

  it("refuses a transaction above the limit of rows or bytes as commit-too-large, and keeps nothing of it", async () => {
    const database = await sampleDatabase(open, "edge", { rowsMax: 1500, bytesMax: 1_000_000 });
    const attempt = async (work: (tx: SqlSession) => Promise<void>): Promise<unknown> =>
      await database.transaction(work).then(
        () => null,
        (error: unknown) => refusalOf(error),
      );
    await expect(attempt(async (tx) => await insertNotes(tx, ids(1501)))).resolves.toMatchObject({ code: "commit-too-large" });
    await expect(
      attempt(async (tx) => {
        await insertNotes(tx, ids(1000));
        await insertNotes(tx, ids(501, 1));
      }),
    ).resolves.toMatchObject({ code: "commit-too-large", details: { sqlstate: "HL010", rule: "size" } });
    await expect(
      attempt(async (tx) => {
        for (const title of ["x", "y"]) {
          await tx.query(
            "insert into note (tenant_id, id, farm_id, title, body) values ('t1', gen_random_uuid(), 'f1', $1, repeat('x', 500001))",
            [title],
          );
        }
      }),
    ).resolves.toMatchObject({ code: "commit-too-large" });
    expect((await database.query("select 1 from note")).rows).toHaveLength(0);
    await insertNotes(database, ids(1500));
    expect(await logOf(database, "t1")).toHaveLength(1);
    await database.close();
  });

  describe("sealing", () => {
    it("chains commits by the documented hash", async () => {
      await on("edge", async (database) => {
        await database.transaction(async (tx) => {
          await tx.query("select set_config('hayloft.author', 'Jöhn \"q\"', true)");
          await insertNotes(tx, ids(2));
          await tx.query("update note set body = E'\\u2028 \\t \"x\"'");
        });
        await insertNotes(database, ids(1, 2));
        const log = await logOf(database, "t1");
        expect(log.map((commit) => commit.author)).toEqual(['Jöhn "q"', null]);
        for (const commit of log) expect(commit.hash).toEqual(commitHash(commit));
        expect(log[0]?.previousHash).toEqual(new Uint8Array(32));
        expect(log[1]?.previousHash).toEqual(log[0]?.hash);
        expect(log.every((commit) => commit.node === NODE_ID && commit.tier === "edge")).toBe(true);
      });
    });

    it("F-E7 leaves no gap for a transaction that is rolled back", async () => {
      await on("edge", async (database) => {
        await insertNotes(database, ids(1, 1));
        await expect(
          database.transaction(async (tx) => {
            await insertNotes(tx, ids(1, 2));
            throw new Error("undone");
          }),
        ).rejects.toThrow("undone");
        await insertNotes(database, ids(1, 3));
        const log = await logOf(database, "t1");
        expect(log.map(({ position, seq }) => [position, seq])).toEqual([
          [1, 1],
          [2, 2],
        ]);
        expect((await database.query("select 1 from hayloft.change")).rows).toHaveLength(2);
      });
    });

    it("extends the same commit after SET CONSTRAINTS ALL IMMEDIATE", async () => {
      await on("edge", async (database) => {
        await database.transaction(async (tx) => {
          await insertNotes(tx, ids(1, 1));
          await tx.script("set constraints all immediate");
          await insertNotes(tx, ids(1, 2));
          await tx.script("set constraints all deferred");
          await insertNotes(tx, ids(1, 3));
          await insertNotes(tx, ids(1, 4), "t0");
        });
        const log = await logOf(database, "t1");
        expect(log).toHaveLength(1);
        expect(log[0]).toMatchObject({ position: 1, seq: 1 });
        expect(log[0]?.changes).toHaveLength(3);
        expect(log[0]?.hash).toEqual(commitHash(log[0] as LoggedCommit));
        expect(await logOf(database, "t0")).toHaveLength(1);
        await insertNotes(database, ids(1, 5));
        expect((await logOf(database, "t1"))[1]?.previousHash).toEqual(log[0]?.hash);
      });
    });

    it("seals exactly what survives savepoints", async () => {
      await on("edge", async (database) => {
        await database.transaction(async (tx) => {
          await tx.script("savepoint a");
          await insertNotes(tx, ids(1, 1));
          await tx.script("rollback to savepoint a");
          await insertNotes(tx, ids(1, 2));
          await tx.script("savepoint b");
          await insertNotes(tx, ids(1, 3), "t2");
          await tx.script("set constraints all immediate");
          await tx.script("rollback to savepoint b; set constraints all deferred");
          await tx.script("savepoint c");
          await insertNotes(tx, ids(1, 4));
          await tx.script("release savepoint c");
        });
        const log = await logOf(database, "t1");
        expect(log).toHaveLength(1);
        expect(log[0]?.changes.flatMap((change) => vector(change, "id"))).toEqual([...ids(1, 2), ...ids(1, 4)]);
        expect(log[0]?.hash).toEqual(commitHash(log[0] as LoggedCommit));
        expect(await logOf(database, "t2")).toHaveLength(0);
      });
    });

    it("refuses a transaction whose bookkeeping was reset, instead of losing its changes", async () => {
      await on("edge", async (database) => {
        await expect(
          database.transaction(async (tx) => {
            await insertNotes(tx, ids(1, 1));
            await tx.script("reset all");
            await insertNotes(tx, ids(1, 2));
          }),
        ).rejects.toMatchObject({ details: { sqlstate: "HL011" } });
        expect(await logOf(database, "t1")).toHaveLength(0);
      });
    });

    it("refuses an author whose name no peer would take, also when it is set after the last write", async () => {
      await on("edge", async (database) => {
        await expect(
          database.transaction(async (tx) => {
            await insertNotes(tx, ids(1, 1));
            await tx.query("select set_config('hayloft.author', repeat('x', 1025), true)");
          }),
        ).rejects.toMatchObject({ details: { sqlstate: "HL011" } });
        expect(await logOf(database, "t1")).toHaveLength(0);
      });
    });

    it("refuses a row trigger that writes to its own table, and takes one that writes to another", async () => {
      await on("edge", async (database) => {
        await database.script(`
          create function copy_note() returns trigger language plpgsql as $$
          begin update note set body = 'from the trigger' where id = new.id; return null; end $$;
          create table seen (id uuid);
          create function see_note() returns trigger language plpgsql as $$
          begin insert into seen values (new.id); return null; end $$;
          create trigger copy_note after insert on note for each row execute function copy_note();
          create trigger see_note after insert on note for each row execute function see_note();`);
        await expect(insertNotes(database, ids(1, 1))).rejects.toMatchObject({ details: { sqlstate: "HL012" } });
        expect(await logOf(database, "t1")).toHaveLength(0);
        await database.script("drop trigger copy_note on note");
        await insertNotes(database, ids(1, 1));
        expect(await logOf(database, "t1")).toHaveLength(1);
        await database.script(`
          create function mark_notes() returns trigger language plpgsql as $$
          begin update note set body = 'marked' where body is distinct from 'marked'; return null; end $$;
          create trigger a_mark after insert on note execute function mark_notes();`);
        await expect(insertNotes(database, ids(1, 2))).rejects.toMatchObject({ details: { sqlstate: "HL012" } });
        await database.script("alter trigger a_mark on note rename to mark");
        await insertNotes(database, ids(1, 2));
        expect((await logOf(database, "t1")).at(-1)?.changes.map(({ op }) => op)).toEqual(["insert", "update"]);
      });
    });

    it("gives strictly growing stamps that follow the clock", async () => {
      await on("edge", async (database) => {
        for (let index = 0; index < 5; index += 1) await insertNotes(database, ids(1, index));
        const stamps = (await logOf(database, "t1")).map((commit) => commit.stamp);
        expect(stamps.every((stamp, index) => index === 0 || stamp > (stamps[index - 1] ?? 0n))).toBe(true);
        expect(Math.abs(Number((stamps[4] ?? 0n) >> 16n) - Date.now())).toBeLessThan(60_000);
        await database.query("update hayloft.head set stamp = stamp + (1000000::bigint << 16)");
        await insertNotes(database, ids(1, 9));
        expect((await logOf(database, "t1"))[5]?.stamp).toBe((stamps[4] ?? 0n) + (1_000_000n << 16n) + 1n);
      });
    });

    it("stamps rows, changed columns and tombstones of tables whose rules need them, and of no others", async () => {
      await on("edge", async (database) => {
        const [id = ""] = ids(1);
        const state = async (): Promise<Record<string, unknown>> => {
          const found = await database.query<{ table_name: string; row_key: string; stamps: Record<string, unknown> }>(
            "select table_name, row_key, stamps from hayloft.row_state",
          );
          expect(found.rows.map((row) => [row.table_name, row.row_key])).toEqual([["note", id]]);
          return found.rows[0]?.stamps ?? {};
        };
        await insertNotes(database, [id]);
        await database.query(
          "insert into reading (tenant_id, id, farm_id, device_id, value, occurred_at) values ('t1', gen_random_uuid(), 'f1', 'd', 1, now())",
        );
        await database.query("update note set body = 'b', words = 3");
        const [first, , third] = await logOf(database, "t1");
        const mark = (commit: LoggedCommit | undefined): unknown => [String(commit?.stamp), NODE_ID];
        expect(await state()).toEqual({ $row: mark(first), body: mark(third) });
        await database.query("delete from note");
        const fourth = (await logOf(database, "t1"))[3];
        expect(await state()).toMatchObject({
          $row: mark(first),
          $deleted: mark(fourth),
          $cells: { body: "b", farm_id: "f1", seen_at: null },
        });
        await insertNotes(database, [id]);
        expect(await state()).toEqual({ $row: mark((await logOf(database, "t1"))[4]) });
        await database.transaction(async (tx) => {
          await tx.query("delete from note");
          await insertNotes(tx, [id]);
          await tx.query("delete from note");
        });
        const last = (await logOf(database, "t1"))[5];
        expect(await state()).toMatchObject({ $row: mark(last), $deleted: mark(last), $cells: { farm_id: "f1" } });
      });
    });
  });
});
