import { expect, it } from "vitest";
import type { HayloftError } from "../error/hayloft-error.ts";
import { eachDatabase } from "../testing/each-database.ts";
import type { Database, SqlSession } from "./database.ts";

const failureOf = async (work: Promise<unknown>): Promise<HayloftError> => {
  return await work.then(
    () => {
      throw new Error("expected an error");
    },
    (error: unknown) => error as HayloftError,
  );
};

eachDatabase("statements and transactions", (open) => {
  const withDatabase = async (work: (db: Database) => Promise<void>): Promise<void> => {
    const db = await open();
    try {
      await db.script(
        "create table t (id int primary key, n int not null check (n >= 0)); create table child (id int primary key references t deferrable initially deferred)",
      );
      await work(db);
    } finally {
      await db.close();
    }
  };
  const ids = async (session: SqlSession): Promise<number[]> =>
    (await session.query<{ id: number }>("select id from t order by id")).rows.map((row) => row.id);

  it("counts affected rows, and 0 for a select", async () => {
    await withDatabase(async (db) => {
      expect((await db.query("insert into t values (1, 1), (2, 2)")).affected).toBe(2);
      expect((await db.query("update t set n = 3 returning id")).affected).toBe(2);
      expect((await db.query("select * from t")).affected).toBe(0);
      expect((await db.query("insert into t values (1, 1) on conflict do nothing")).affected).toBe(0);
      expect((await db.query("merge into t using (values (1)) v (id) on t.id = v.id when matched then delete")).affected).toBe(1);
      expect((await db.query("delete from t")).affected).toBe(1);
    });
  });

  it("names the constraint, table and column of a refused statement, and no value", async () => {
    await withDatabase(async (db) => {
      await db.query("insert into t values (1, 77665544)");
      const unique = await failureOf(db.query("insert into t values ($1, $2)", [1, 99887766]));
      expect(unique).toMatchObject({ code: "sql-failed", details: { sqlstate: "23505", table: "t", constraint: "t_pkey" } });
      const check = await failureOf(db.query("insert into t values ($1, $2)", [2, -99887766]));
      expect(check).toMatchObject({ code: "sql-failed", details: { sqlstate: "23514", table: "t", constraint: "t_n_check" } });
      const missing = await failureOf(db.query("insert into t values ($1, null)", [99887766]));
      expect(missing).toMatchObject({ details: { sqlstate: "23502", table: "t", column: "n" } });
      const text = await failureOf(db.query("select $1::text::int", ["99887766x"]));
      expect(text.details["sqlstate"]).toBe("22P02");
      for (const error of [unique, check, missing, text]) {
        expect(JSON.stringify([error.message, error.details, String(error.cause), error.stack])).not.toMatch(/99887766|77665544/);
      }
      expect(await failureOf(db.query("select * from missing_table"))).toMatchObject({
        details: { sqlstate: "42P01", message: expect.stringContaining("missing_table") as string },
      });
    });
  });

  it("commits when the work resolves and gives its result", async () => {
    await withDatabase(async (db) => {
      const result = await db.transaction(async (tx) => {
        await tx.query("insert into t values (1, 1)");
        await tx.script("insert into t values (2, 2); insert into t values (3, 3)");
        return "done";
      });
      expect(result).toBe("done");
      expect(await ids(db)).toEqual([1, 2, 3]);
    });
  });

  it("rolls everything back when the work throws, and throws the same error", async () => {
    await withDatabase(async (db) => {
      const own = new Error("own");
      const thrown = await failureOf(
        db.transaction(async (tx) => {
          await tx.query("insert into t values (1, 1)");
          throw own;
        }),
      );
      expect(thrown).toBe(own);
      expect(await ids(db)).toEqual([]);
    });
  });

  it("never reports a commit after a statement failed, even when the work swallowed the error", async () => {
    await withDatabase(async (db) => {
      const error = await failureOf(
        db.transaction(async (tx) => {
          await tx.query("insert into t values (1, 1)");
          await tx.query("insert into t values (1, 1)").catch(() => null);
        }),
      );
      expect(error).toMatchObject({ code: "sql-failed", details: { sqlstate: "25P02" } });
      expect(await ids(db)).toEqual([]);
      await db.query("insert into t values (9, 9)");
    });
  });

  it("throws what a deferred constraint refuses at commit, and goes on", async () => {
    await withDatabase(async (db) => {
      const error = await failureOf(db.transaction(async (tx) => await tx.query("insert into child values (7)")));
      expect(error).toMatchObject({ code: "sql-failed", details: { sqlstate: "23503", table: "child" } });
      expect((await db.query("select * from child")).rows).toEqual([]);
    });
  });

  it("refuses a nested transaction, and a query on the database, inside a transaction instead of waiting for ever", async () => {
    await withDatabase(async (db) => {
      for (const misuse of [
        () => db.query("select 1"),
        () => db.transaction(() => Promise.resolve()),
        () => db.script("select 1"),
        () => db.close(),
      ]) {
        const error = await failureOf(db.transaction(async () => await misuse()));
        expect(error).toMatchObject({ code: "sql-failed", details: { sqlstate: "25001" } });
      }
      await db.query("insert into t values (1, 1)");
    });
  });

  it("refuses a session after its transaction, and statements that end the transaction", async () => {
    await withDatabase(async (db) => {
      let kept: SqlSession | undefined;
      await db.transaction((tx) => {
        kept = tx;
        return Promise.resolve();
      });
      expect(await failureOf(kept?.query("select 1") ?? Promise.resolve())).toMatchObject({ details: { sqlstate: "25P01" } });
      const ended = await failureOf(
        db.transaction(async (tx) => {
          await tx.query("insert into t values (1, 1)");
          await tx.query("rollback").catch(() => null);
        }),
      );
      expect(ended).toMatchObject({ details: { sqlstate: "2D000" } });
      expect(await failureOf(db.script("begin; insert into t values (5, 5)"))).toMatchObject({ details: { sqlstate: "25001" } });
      expect(await failureOf(db.query("begin"))).toMatchObject({ details: { sqlstate: "25001" } });
      expect(await failureOf(db.script("begin; select 1/0"))).toMatchObject({
        details: { sqlstate: expect.stringMatching(/25001|22012/) as string },
      });
      expect(await ids(db)).toEqual([]);
    });
  });

  it("a statement that leaves a transaction open takes none of those with it that were sent right after", async () => {
    await withDatabase(async (db) => {
      const [left, stored] = await Promise.allSettled([db.query("begin"), db.query("insert into t values (6, 6)")]);
      expect(left).toMatchObject({ status: "rejected", reason: { details: { sqlstate: "25001" } } });
      expect(stored.status).toBe("fulfilled");
      await failureOf(db.query("select 1/0"));
      expect(await ids(db)).toEqual([6]);
    });
  });

  it("applies isolation levels and read only", async () => {
    await withDatabase(async (db) => {
      const level = async (isolation?: "read committed" | "repeatable read" | "serializable"): Promise<unknown> => {
        const work = async (tx: SqlSession): Promise<unknown> => (await tx.query("show transaction_isolation")).rows[0];
        return await db.transaction(work, isolation === undefined ? {} : { isolation });
      };
      expect(await level()).toEqual({ transaction_isolation: "read committed" });
      expect(await level("repeatable read")).toEqual({ transaction_isolation: "repeatable read" });
      expect(await level("serializable")).toEqual({ transaction_isolation: "serializable" });
      const error = await failureOf(
        db.transaction(async (tx) => await tx.query("insert into t values (1, 1)"), { readOnly: true }),
      );
      expect(error).toMatchObject({ code: "sql-failed", details: { sqlstate: "25006" } });
    });
  });

  it("F-E9 repeats the whole work after 40001 and 40P01, six times at most", async () => {
    await withDatabase(async (db) => {
      const fail = async (tx: SqlSession, sqlstate: string): Promise<void> =>
        await tx.script(`do $$ begin raise exception 'x' using errcode = '${sqlstate}'; end $$`);
      for (const sqlstate of ["40001", "40P01"]) {
        let attempts = 0;
        await db.transaction(async (tx) => {
          attempts += 1;
          await tx.query("insert into t values ($1, 1)", [attempts]);
          if (attempts < 3) await fail(tx, sqlstate);
        });
        expect(attempts).toBe(3);
        expect(await ids(db)).toEqual([3]);
        await db.query("delete from t");
      }
      let attempts = 0;
      const error = await failureOf(
        db.transaction(async (tx) => {
          attempts += 1;
          await fail(tx, "40001");
        }),
      );
      expect(error).toMatchObject({ code: "sql-failed", details: { sqlstate: "40001" } });
      expect(attempts).toBe(6);
      attempts = 0;
      await failureOf(
        db.transaction(async (tx) => {
          attempts += 1;
          await fail(tx, "23505");
        }),
      );
      expect(attempts).toBe(1);
    });
  });

  it("never interleaves transactions that add to one row, and queries wait for their turn", async () => {
    await withDatabase(async (db) => {
      await db.query("insert into t values (1, 0)");
      const add = async (): Promise<void> => {
        await db.transaction(async (tx) => {
          const { rows } = await tx.query<{ n: number }>("select n from t where id = 1 for update");
          await tx.query("update t set n = $1 where id = 1", [(rows[0]?.n ?? 0) + 1]);
        });
      };
      await Promise.all([
        ...Array.from({ length: 30 }, add),
        ...Array.from({ length: 30 }, async () => await db.query("update t set n = n + 1 where id = 1")),
      ]);
      expect((await db.query("select n from t")).rows).toEqual([{ n: 60 }]);
    });
  });

  it("runs statements asked for at once in the order asked", async () => {
    await withDatabase(async (db) => {
      await db.transaction(async (tx) => {
        await Promise.all(
          Array.from(
            { length: 20 },
            async (_, index) => await tx.query("insert into t values ($1, (select count(*) from t))", [index]),
          ),
        );
      });
      expect((await db.query("select count(*) as n from t where id <> n")).rows).toEqual([{ n: 0 }]);
    });
  });

  it("calls onWrite after commits that wrote, and only then", async () => {
    await withDatabase(async (db) => {
      let calls = 0;
      let seen = 0;
      const stop = db.onWrite(() => {
        calls += 1;
      });
      const callsOf = async (work: () => Promise<unknown>): Promise<number> => {
        await work().catch(() => null);
        // A microtask later the notice has been given.
        await Promise.resolve();
        const before = seen;
        seen = calls;
        return calls - before;
      };
      expect(await callsOf(async () => await db.query("insert into t values (1, 1)"))).toBe(1);
      expect(await callsOf(async () => await db.query("select * from t for update"))).toBe(0);
      expect(await callsOf(async () => await db.query("update t set n = 2 where id = 99"))).toBe(0);
      expect(await callsOf(async () => await db.query("with gone as (delete from t returning *) select * from gone"))).toBe(1);
      expect(await callsOf(async () => await db.query("insert into t values (1, -1)"))).toBe(0);
      expect(await callsOf(async () => await db.script("insert into t values (2, 2)"))).toBe(1);
      expect(await callsOf(async () => await db.script("select 1; show search_path"))).toBe(0);
      expect(await callsOf(async () => await db.transaction(async (tx) => await tx.query("select * from t")))).toBe(0);
      expect(await callsOf(async () => await db.transaction(async () => await Promise.resolve()))).toBe(0);
      expect(
        await callsOf(async () => {
          await db.transaction(async (tx) => {
            await tx.query("insert into t values (3, 3)");
            expect(calls).toBe(seen);
          });
        }),
      ).toBe(1);
      expect(
        await callsOf(async () => {
          await db.transaction(async (tx) => {
            await tx.query("insert into t values (4, 4)");
            throw new Error("no");
          });
        }),
      ).toBe(0);
      stop();
      expect(await callsOf(async () => await db.query("insert into t values (5, 5)"))).toBe(0);
    });
  });

  it("finishes what was asked for before close, and refuses what comes after", async () => {
    const db = await open();
    await db.script("create table t (id int)");
    const before = db.transaction(async (tx) => {
      await tx.query("insert into t values (1)");
      await tx.query("select pg_sleep(0.1)");
      return (await tx.query("select * from t")).rows;
    });
    const queued = db.query("select count(*) as n from t");
    const closing = db.close();
    expect(await failureOf(db.query("select 1"))).toMatchObject({ code: "store-closed" });
    expect(await failureOf(db.transaction(async () => await Promise.resolve()))).toMatchObject({ code: "store-closed" });
    expect(await before).toEqual([{ id: 1 }]);
    expect((await queued).rows.length).toBe(1);
    await closing;
    await db.close();
    expect(await failureOf(db.query("select 1"))).toMatchObject({ code: "store-closed" });
  });
});
