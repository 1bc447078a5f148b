import { afterAll, beforeAll, expect, it } from "vitest";
import { freshPglite } from "../../testing/fresh-pglite.ts";
import type { Database } from "../database.ts";
import { vacuumWhenDue } from "./vacuum.ts";

let database: Database;
beforeAll(async () => {
  database = await freshPglite();
});
afterAll(() => database.close());

const pages = async (): Promise<number> => {
  const { rows } = await database.query<{ pages: number }>("select pg_relation_size('log') / 8192 as pages");
  return rows[0]?.pages ?? 0;
};

/** Vacuums until nothing is due. */
const vacuumAll = async (freezeAge?: number): Promise<readonly string[]> => {
  const names: string[] = [];
  for (let runs = 0; runs < 200; runs += 1) {
    const name = await vacuumWhenDue(database, { restMs: 0, ...(freezeAge !== undefined && { freezeAge }) });
    if (name === null) return names;
    names.push(name);
  }
  throw new Error("never done");
};

const fill = async (): Promise<void> =>
  await database.script(
    "insert into log (body) select repeat('x', 300) from generate_series(1, 6000); select pg_stat_force_next_flush()",
  );

it("F-D2 the space of deleted rows is used again, and plans know the rows, though no server looks after the tables", async () => {
  await database.script("create table log (id bigint generated always as identity primary key, body text not null)");
  await vacuumAll();
  await fill();
  expect(await vacuumAll()).toContain("public.log");
  const { rows } = await database.query<{ reltuples: number }>("select reltuples from pg_class where relname = 'log'");
  expect(rows).toEqual([{ reltuples: 6000 }]);
  const before = await pages();
  for (let round = 0; round < 5; round += 1) {
    await database.script("delete from log; select pg_stat_force_next_flush()");
    expect(await vacuumAll()).toContain("public.log");
    await fill();
    await vacuumAll();
  }
  expect(await pages()).toBeLessThan(before * 1.3);
});

it("what transactions wrote that were rolled back is dead, too", async () => {
  await vacuumAll();
  await database.script(
    "begin; update log set body = repeat('y', 300) where id % 2 = 0; rollback; select pg_stat_force_next_flush()",
  );
  expect(await vacuumAll()).toContain("public.log");
});

it("what a process that was killed had counted is seen by the size of the table", async () => {
  await fill();
  await fill();
  await database.script("select pg_stat_reset()");
  expect(await vacuumAll()).toContain("public.log");
});

it("F-C9 rows of a distant past are frozen in every table, before transaction ids run out", async () => {
  await vacuumAll();
  await database.script("do $$ begin for i in 1 .. 2000 loop perform pg_current_xact_id(); commit; end loop; end $$");
  const age = "select max(age(relfrozenxid))::int as age from pg_class where relkind in ('r', 'm', 't')";
  expect((await database.query<{ age: number }>(age)).rows[0]?.age).toBeGreaterThan(2000);
  expect(await vacuumWhenDue(database, { freezeAge: 1000, restMs: 600_000 })).not.toBe("public.log");
  const frozen = await vacuumAll(1000);
  expect(frozen).toContain("public.log");
  expect(frozen).toContain("pg_catalog.pg_class");
});
