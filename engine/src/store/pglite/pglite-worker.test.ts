import { describe, expect, it } from "vitest";
import { freshPglite } from "../../testing/fresh-pglite.ts";

describe("PGlite in its worker thread", () => {
  it("F-A16 leaves timers running while a query of a second runs", async () => {
    const db = await freshPglite();
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 10);
    const startMs = performance.now();
    await db.query("select pg_sleep(1)");
    const tookMs = performance.now() - startMs;
    clearInterval(timer);
    await db.close();
    expect(tookMs).toBeGreaterThan(950);
    expect(ticks).toBeGreaterThan(30);
  });

  it("gives a test an empty database again after another has changed everything", async () => {
    const first = await freshPglite();
    await first.script(
      "create schema s; create table s.t (id int); create table public.u (id int); create role farmer; grant select on s.t to farmer; set search_path = s; set timezone = 'Asia/Tokyo'",
    );
    await first.close();
    const second = await freshPglite();
    const { rows } = await second.query(
      "select (select count(*) from pg_namespace where nspname = 's') as schemas, (select count(*) from pg_class where relname = 'u') as tables, (select count(*) from pg_roles where rolname = 'farmer') as roles, current_setting('search_path') as path, current_setting('timezone') as zone",
    );
    expect(rows).toEqual([{ schemas: 0, tables: 0, roles: 0, path: "public", zone: "UTC" }]);
    await second.script("create table t (id int)");
    await second.close();
    await expect(first.query("select 1")).rejects.toMatchObject({ code: "store-closed" });
  });
});
