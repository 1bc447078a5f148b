import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { dropPostgres, freshPostgresUrl } from "../../testing/fresh-postgres.ts";
import { cuttingProxy } from "../../testing/cutting-proxy.ts";
import { openPostgresDatabase } from "./open-postgres-database.ts";

describe("Postgres through a pool", () => {
  let url = "";
  beforeAll(async () => {
    url = await freshPostgresUrl();
  });
  afterAll(async () => {
    await dropPostgres(url);
  });

  it("S2.1 works on the release of its project: 18, and each older one that is supported", async () => {
    const db = await openPostgresDatabase({ connectionString: url });
    const { rows } = await db.query<{ release: string }>(
      "select (current_setting('server_version_num')::int / 10000)::text as release",
    );
    expect(rows).toEqual([{ release: inject("hayloftOlderPostgres") ?? "18" }]);
    // This server does not sync its files: what it has committed survives killed processes, and no power cut.
    expect(db.durability).toBe("D1");
    await db.close();
  });

  it("F-E8 reports a commit whose answer was lost as unavailable with an unknown outcome, and does not repeat it", async () => {
    const proxy = await cuttingProxy(url);
    const db = await openPostgresDatabase({ connectionString: proxy.connectionString });
    await db.script("create table paid (id int)");
    let attempts = 0;
    proxy.cutAfter("; commit");
    const work = db.transaction(async (tx) => {
      attempts += 1;
      await tx.query("insert into paid values (1)");
    });
    await expect(work).rejects.toMatchObject({ code: "unavailable", retry: "backoff", details: { outcome: "unknown" } });
    expect(attempts).toBe(1);
    proxy.cutAfter("never sent");
    expect((await db.query("select * from paid")).rows).toEqual([{ id: 1 }]);
    proxy.cutAfter("insert into paid values (2)");
    await expect(db.transaction(async (tx) => await tx.query("insert into paid values (2)"))).rejects.toMatchObject({
      code: "unavailable",
      details: { outcome: "none" },
    });
    await expect(db.query("insert into paid values (2)")).rejects.toMatchObject({
      code: "unavailable",
      details: { outcome: "unknown" },
    });
    proxy.cutAfter("never sent");
    expect((await db.query("select count(*) as n from paid where id = 2")).rows).toEqual([{ n: 1 }]);
    await db.close();
    await proxy.close();
  });

  it("F-E3 survives that the server ends its connections, idle and busy", async () => {
    const db = await openPostgresDatabase({ connectionString: url, poolMax: 3 });
    await Promise.all([db.query("select pg_sleep(0.05)"), db.query("select pg_sleep(0.05)"), db.query("select pg_sleep(0.05)")]);
    const ender = await openPostgresDatabase({ connectionString: url, applicationName: "ender" });
    const busy = db.query("select pg_sleep(30)").then(
      () => "done",
      (error: unknown) => error,
    );
    await expect
      .poll(
        async () =>
          (
            await ender.query(
              "select 1 from pg_stat_activity where datname = current_database() and query like 'select pg_sleep(30)%' and state = 'active'",
            )
          ).rows.length,
      )
      .toBe(1);
    await ender.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hayloft' and datname = current_database()",
    );
    expect(await busy).toMatchObject({ code: "unavailable", retry: "backoff" });
    await expect.poll(async () => (await db.query("select 1 as one").catch(() => ({ rows: [] }))).rows).toEqual([{ one: 1 }]);
    await ender.close();
    await db.close();
  });

  it("F-E11 takes a server that became read-only for unavailable", async () => {
    const db = await openPostgresDatabase({ connectionString: url });
    await db.script("create table if not exists later (id int)");
    const readOnly = new URL(url);
    readOnly.searchParams.set("options", "-c default_transaction_read_only=on");
    const standby = await openPostgresDatabase({ connectionString: readOnly.href });
    await expect(standby.query("insert into later values (1)")).rejects.toMatchObject({
      code: "unavailable",
      details: { sqlstate: "25006" },
    });
    await standby.close();
    await db.close();
  });

  it("waits for a free connection, and goes on after errors in each", async () => {
    const db = await openPostgresDatabase({ connectionString: url, poolMax: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, index) => await db.query(index % 3 === 0 ? "select 1/0" : "select 1")),
    );
    expect(results.filter((result) => result.status === "fulfilled").length).toBe(13);
    await db.close();
  });

  it("retries deadlocks between its own transactions until both have committed", async () => {
    const db = await openPostgresDatabase({ connectionString: url });
    await db.script("create table pair (id int primary key, n int); insert into pair values (1, 0), (2, 0)");
    let arrived = 0;
    let release: () => void = () => undefined;
    const bothArrived = new Promise<void>((resolve) => {
      release = resolve;
    });
    const add = async (first: number, second: number): Promise<void> => {
      await db.transaction(async (tx) => {
        await tx.query("update pair set n = n + 1 where id = $1", [first]);
        arrived += 1;
        if (arrived === 2) release();
        await bothArrived;
        await tx.query("update pair set n = n + 1 where id = $1", [second]);
      });
    };
    await Promise.all([add(1, 2), add(2, 1)]);
    expect((await db.query("select n from pair order by id")).rows).toEqual([{ n: 2 }, { n: 2 }]);
    expect(arrived).toBeGreaterThan(2);
    await db.close();
  });

  it("says at open what is wrong: the server away, no such user, no TLS", async () => {
    const away = new URL(url);
    away.port = "1";
    await expect(openPostgresDatabase({ connectionString: away.href })).rejects.toMatchObject({
      code: "unavailable",
      details: { system: "ECONNREFUSED" },
    });
    const stranger = new URL(inject("hayloftPostgres"));
    stranger.password = "wrong-password";
    const refused = await openPostgresDatabase({ connectionString: stranger.href }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "sql-failed", details: { sqlstate: "28P01" } });
    expect(JSON.stringify([String(refused), refused])).not.toContain("wrong-password");
    await expect(openPostgresDatabase({ connectionString: url, ssl: true })).rejects.toMatchObject({ code: "unavailable" });
  });
});
