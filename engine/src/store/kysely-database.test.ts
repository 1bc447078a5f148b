import { sql } from "kysely";
import { expect, it } from "vitest";
import { eachDatabase } from "../testing/each-database.ts";
import type { Database } from "./database.ts";
import { kyselyOf } from "./kysely-database.ts";

interface Rows {
  animal: { id: string; name: string | null; weight: string | null; tags: string[]; data: unknown; seen_at: Date | null };
}

eachDatabase("kyselyOf", (open) => {
  const withDatabase = async (work: (db: Database) => Promise<void>): Promise<void> => {
    const db = await open();
    try {
      await db.script(
        "create table animal (id text primary key, name text, weight numeric, tags text[] not null default '{}', data jsonb, seen_at timestamptz)",
      );
      await work(db);
    } finally {
      await db.close();
    }
  };
  const cow = {
    id: "c1",
    name: "Berta",
    weight: "612.50",
    tags: ["a,b", "c"],
    data: { earTag: 7 },
    seen_at: new Date("2024-02-29T10:00:00Z"),
  };

  it("inserts, reads, updates and counts through the query builder", async () => {
    await withDatabase(async (db) => {
      const k = kyselyOf<Rows>(db);
      await k.insertInto("animal").values(cow).execute();
      expect(await k.selectFrom("animal").selectAll().execute()).toEqual([cow]);
      const updated = await k.updateTable("animal").set({ name: null }).where("id", "=", "c1").executeTakeFirstOrThrow();
      expect(updated.numUpdatedRows).toBe(1n);
      const gone = await k
        .deleteFrom("animal")
        .where(sql<boolean>`tags @> ${["c"]}::text[]`)
        .returning("id")
        .execute();
      expect(gone).toEqual([{ id: "c1" }]);
    });
  });

  it("works on a transaction's session and is rolled back with it", async () => {
    await withDatabase(async (db) => {
      await db
        .transaction(async (tx) => {
          await kyselyOf<Rows>(tx).insertInto("animal").values(cow).execute();
          throw new Error("no");
        })
        .catch(() => null);
      expect(await kyselyOf<Rows>(db).selectFrom("animal").select("id").execute()).toEqual([]);
      const nested = db.transaction(async (tx) => {
        await kyselyOf<Rows>(tx)
          .transaction()
          .execute(async (k) => await k.selectFrom("animal").execute());
      });
      await expect(nested).rejects.toMatchObject({ details: { sqlstate: "25001" } });
    });
  });

  it("commits and rolls back Kysely's own transactions on a database", async () => {
    await withDatabase(async (db) => {
      const k = kyselyOf<Rows>(db);
      const result = await k
        .transaction()
        .setIsolationLevel("serializable")
        .execute(async (trx) => {
          await trx.insertInto("animal").values(cow).execute();
          return "done";
        });
      expect(result).toBe("done");
      const failed = k.transaction().execute(async (trx) => {
        await trx
          .insertInto("animal")
          .values({ ...cow, id: "c2" })
          .execute();
        throw new Error("own");
      });
      await expect(failed).rejects.toThrow("own");
      await expect(
        k
          .transaction()
          .execute(async (trx) => await sql`do $$ begin raise exception 'x' using errcode = '40001'; end $$`.execute(trx)),
      ).rejects.toMatchObject({ details: { sqlstate: "40001" } });
      expect(await k.selectFrom("animal").select("id").execute()).toEqual([{ id: "c1" }]);
    });
  });
});
