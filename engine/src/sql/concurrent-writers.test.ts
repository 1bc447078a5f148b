import pg from "pg";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { commitHash } from "../commit/commit-hash.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { freshPostgres } from "../testing/index.ts";
import { logOf, sampleDatabase } from "./sample-database.ts";

let database: Database;

beforeEach(async () => {
  database = await sampleDatabase(freshPostgres, "edge");
});
afterEach(async () => await database.close());

const write = async (session: SqlSession, title: string, tenant = "t1"): Promise<void> => {
  await session.query("insert into note (tenant_id, id, farm_id, title) values ($1, gen_random_uuid(), 'f1', $2)", [
    tenant,
    title,
  ]);
};

/** A connection of an ordinary client that knows nothing of the engine. */
async function plainClient(): Promise<pg.Client> {
  const [found] = (await database.query<{ name: string }>("select current_database() as name")).rows;
  const url = new URL(inject("hayloftPostgres"));
  url.pathname = found?.name ?? "";
  const client = new pg.Client({ connectionString: url.href });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** Titles of the notes that the log holds, in the order of positions. */
async function loggedTitles(tenant = "t1"): Promise<readonly (string | null)[]> {
  const log = await logOf(database, tenant);
  return log.flatMap((commit) => commit.changes.flatMap((change) => change.values[change.columns.indexOf("title")] ?? []));
}

const storedTitles = async (): Promise<readonly string[]> =>
  (await database.query<{ title: string }>("select title from note order by title")).rows.map((row) => row.title);

function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

it("F-A1 F-E7 a writer whose connection dies before its commit has done nothing, and burnt no position", async () => {
  await write(database, "before");
  const client = await plainClient();
  await client.query("begin");
  await client.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'lost')");
  // As far as a transaction gets: everything is written and sealed, and the commit itself is not heard.
  await client.query("set constraints all immediate");
  const ended = new Promise<void>((resolve) => {
    client.on("end", () => resolve());
  });
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  await database.query("select pg_terminate_backend($1)", [rows[0]?.pid ?? 0]);
  await ended;
  await write(database, "after");
  expect(await storedTitles()).toEqual(["after", "before"]);
  expect(await loggedTitles()).toEqual(["before", "after"]);
  expect((await logOf(database, "t1")).map(({ position, seq }) => [position, seq])).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect((await database.query("select 1 from hayloft.change")).rows).toHaveLength(2);
});

it("F-E13 what one transaction set on a pooled connection is gone in the next, however it ended", async () => {
  const [found] = (await database.query<{ name: string }>("select current_database() as name")).rows;
  const url = new URL(inject("hayloftPostgres"));
  url.pathname = found?.name ?? "";
  // One connection: the next caller has it next, as behind a pooler that pools transactions.
  const pooled = await openPostgresDatabase({ connectionString: url.href, poolMax: 1 });
  const settings = "select set_config('hayloft.author', 'ada', true), set_config('hayloft.applying', $1, true)";
  const undone = new Error("undone");
  await pooled.transaction(async (tx) => {
    await tx.query(settings, ["off"]);
    await write(tx, "by ada");
  });
  await write(pooled, "by nobody");
  await expect(
    pooled.transaction(async (tx) => {
      await tx.query(settings, ["on"]);
      await write(tx, "never", "t2");
      throw undone;
    }),
  ).rejects.toBe(undone);
  await expect(
    pooled.transaction(async (tx) => {
      await tx.query(settings, ["on"]);
      await tx.query("select 1 / 0");
    }),
  ).rejects.toMatchObject({ code: "sql-failed" });
  await write(pooled, "captured");
  const log = await logOf(database, "t1");
  expect(log.map(({ author, seq }) => [seq, author])).toEqual([
    [1, "ada"],
    [2, null],
    [3, null],
  ]);
  expect(await loggedTitles()).toEqual(["by ada", "by nobody", "captured"]);
  expect(await loggedTitles("t2")).toEqual([]);
  await pooled.close();
});

it("F-E6 a transaction that commits late comes after those a reader has passed", async () => {
  const [wrote, mayCommit] = [gate(), gate()];
  const late = database.transaction(async (tx) => {
    await write(tx, "late");
    wrote.open();
    await mayCommit.opened;
  });
  await wrote.opened;
  // The late writer holds no lock that others need before it commits.
  await write(database, "early");
  expect(await loggedTitles()).toEqual(["early"]);
  mayCommit.open();
  await late;
  expect(await loggedTitles()).toEqual(["early", "late"]);
  expect((await logOf(database, "t1")).map((commit) => commit.position)).toEqual([1, 2]);
});

it("O16 F-E6 F-E7 a reader that follows positions skips no commit and sees no gap, with writers that are slow and that roll back", async () => {
  let writing = 4;
  const kept: string[] = [];
  const writer = async (name: string, count: number, pauseMs: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const title = `${name}-${index}`;
      const undone = new Error("undone");
      const work = database.transaction(async (tx) => {
        await write(tx, title);
        await tx.query("select pg_sleep($1)", [(pauseMs * ((index * 7) % 5)) / 4000]);
        await tx.query("update note set body = 'x' where title = $1", [title]);
        if (index % 5 === 4) throw undone;
      });
      if (index % 5 === 4) await expect(work).rejects.toBe(undone);
      else kept.push(await work.then(() => title));
    }
    writing -= 1;
  };
  const seen: number[] = [];
  const seenTitles: string[] = [];
  const follow = async (): Promise<void> => {
    for (let idle = false; !idle;) {
      const ended = writing === 0;
      const found = await database.query<{ position: number; body: string }>(
        `select c.position, h.body from hayloft.commit c join hayloft.change h on h.tenant_id = c.tenant_id and h.txn = c.txn and h.op = 'insert'
         where c.tenant_id = 't1' and c.position > $1 order by c.position limit 7`,
        [seen.at(-1) ?? 0],
      );
      for (const row of found.rows) {
        seen.push(row.position);
        seenTitles.push((JSON.parse(row.body) as string[][])[3]?.[0] ?? "");
      }
      idle = ended && found.rows.length === 0;
    }
  };
  await Promise.all([follow(), writer("a", 40, 4), writer("b", 40, 8), writer("c", 40, 0), writer("slow", 10, 80)]);
  expect(seen).toEqual(seen.map((_, index) => index + 1));
  expect(seenTitles.toSorted()).toEqual(kept.toSorted());
  expect(await storedTitles()).toEqual(kept.toSorted());
  for (const commit of await logOf(database, "t1")) expect(commit.hash).toEqual(commitHash(commit));
});

it("F-E9 transactions over several tenants never wait for each other in a circle", async () => {
  let attempts = 0;
  const both = async (order: readonly string[], round: number): Promise<void> =>
    await database.transaction(async (tx) => {
      attempts += 1;
      for (const tenant of order) await write(tx, `${order.join("")}${round}`, tenant);
    });
  for (let round = 0; round < 15; round += 1) {
    await Promise.all([
      both(["t0", "t1", "t2"], round),
      both(["t2", "t1", "t0"], round),
      both(["t1", "t2"], round),
      both(["t2", "t0"], round),
    ]);
  }
  expect(attempts).toBe(60);
  for (const [tenant, count] of [
    ["t0", 45],
    ["t1", 45],
    ["t2", 60],
  ] as const) {
    expect((await logOf(database, tenant)).map((commit) => commit.position)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
  }
});

it("F-E9 a repeatable-read writer that meets a newer commit is told to retry, and its retry is sealed", async () => {
  let attempts = 0;
  const client = await plainClient();
  await database.transaction(
    async (tx) => {
      attempts += 1;
      await tx.query("select 1 from note");
      if (attempts === 1)
        await client.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'between')");
      await write(tx, "repeatable");
    },
    { isolation: "repeatable read" },
  );
  await client.end();
  expect(attempts).toBe(2);
  expect(await loggedTitles()).toEqual(["between", "repeatable"]);
});

it("makes one head when many first writers of a tenant commit at once", async () => {
  await Promise.all(Array.from({ length: 5 }, async (_, index) => await write(database, `first-${index}`, "t2")));
  const log = await logOf(database, "t2");
  expect(new Set(log.map((commit) => commit.origin)).size).toBe(1);
  expect(log[0]?.origin).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
  expect(log.map((commit) => commit.seq)).toEqual([1, 2, 3, 4, 5]);
});

it("F-E12 captures plain SQL of another client, also with its triggers set to replica", async () => {
  const client = await plainClient();
  await client.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'plain')");
  await client.query("set session_replication_role = replica");
  await client.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'replica')");
  await client.query("prepare p as update note set title = $1 where title = 'plain'; execute p('prepared')");
  await client.end();
  expect(await loggedTitles()).toEqual(["plain", "replica", "prepared"]);
});

it("S2.4 captures the writes of a role that has no rights in the engine's schema", async () => {
  const role = `writer_${process.pid}_${Date.now()}`;
  await database.script(`create role ${role}; grant select, insert, update on note to ${role}; grant select on farm to ${role}`);
  const client = await plainClient();
  await client.query(`set role ${role}`);
  await client.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'theirs')");
  await expect(client.query("select 1 from hayloft.change")).rejects.toMatchObject({ code: "42501" });
  await client.query("reset role");
  await client.end();
  expect(await loggedTitles()).toEqual(["theirs"]);
  await database.script(`drop owned by ${role}; drop role ${role}`);
});

it("P-C1 a writer that is killed at any statement leaves the row present exactly when its change is", async () => {
  const statements = (title: string): readonly string[] => [
    "begin",
    `insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', '${title}')`,
    `update note set body = 'b' where title = '${title}'`,
    "savepoint s",
    `insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', '${title} more')`,
    "set constraints all immediate",
    "commit",
  ];
  for (let stop = 1; stop <= 7; stop += 1) {
    const client = await plainClient();
    const [{ pid } = { pid: 0 }] = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows;
    for (const sql of statements(`kill-${stop}`).slice(0, stop)) await client.query(sql);
    await database.query("select pg_terminate_backend($1, 5000)", [pid]);
    await client.end();
  }
  for (let round = 0; round < 10; round += 1) {
    const client = await plainClient();
    const running = client.query(statements(`cut-${round}`).join(";")).catch(() => null);
    await database.query("select pg_sleep($1)", [round / 2000]);
    await database.query(
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and query like '%cut-%' and pid <> pg_backend_pid()",
    );
    await running;
    await client.end();
  }
  const stored = await storedTitles();
  expect(stored).toEqual(expect.arrayContaining(["kill-7", "kill-7 more"]));
  expect(stored.filter((title) => title.startsWith("kill-"))).toHaveLength(2);
  expect(new Set(await loggedTitles())).toEqual(new Set(stored));
  const log = await logOf(database, "t1");
  expect(log.map((commit) => commit.position)).toEqual(log.map((_, index) => index + 1));
  expect(
    (
      await database.query(
        "select 1 from hayloft.change h where not exists (select 1 from hayloft.commit c where c.tenant_id = h.tenant_id and c.txn = h.txn)",
      )
    ).rows,
  ).toEqual([]);
});
