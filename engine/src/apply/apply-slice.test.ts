import fc from "fast-check";
import { expect, it } from "vitest";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import type { LogSlice } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { CrashError, failingDatabase } from "./failing-database.ts";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "./test-replica.ts";
import { UNIQUE_VIOLATION } from "./write-commits.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const withCode = (code: string): unknown =>
  expect.toSatisfy((error: unknown) => error instanceof Error && isHayloftError(error) && error.code === code);

async function pair(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await cloud.sql(BARN, ["b2", "Barn two"]);
  await exchange(edge, cloud);
  return [cloud, edge];
}

/** One write of each rule at the edge. */
async function writeEverything(edge: TestReplica): Promise<void> {
  await edge.sql(newReading("e1"));
  await edge.sql("insert into entry values ('t1', $1, 'b1', 'entry', 1)", [newId()]);
  await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'note')", [newId()]);
  await edge.sql("insert into session values ('t1', $1, 'b1', 1, 10.5, null)", [newId()]);
  await edge.sql("insert into daily_count (tenant_id, barn_id, day, animals) values ('t1', 'b1', '2026-01-01', 5)");
  await edge.sql("insert into device_status values ('t1', 'd1', 'b1', 'on', '2026-01-01 00:00:00+00')");
}

eachDatabase("apply", (open) => {
  it("T-C5 insert, update and delete under each rule, at each permitted tier, end equal at cloud, edge and tablet", async () => {
    const [cloud, edge] = await pair(open);
    const tablet = await TestReplica.open(open, "tablet");
    const settle = async (): Promise<void> => {
      for (let round = 0; round < 2; round += 1) {
        await exchange(tablet, edge);
        await exchange(edge, cloud);
        await pullDown(tablet, edge);
      }
    };
    await cloud.sql(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 'tablet', 'tablet', 'worker', 'k')`,
      [tablet.nodeId],
    );
    await settle();
    await writeEverything(edge);
    await settle();
    for (const replica of [cloud, edge, tablet]) {
      await replica.sql("update note set title = $1, is_done = true", [`by ${replica.tier}`]);
      await replica.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)", [newId(), replica.tier]);
      await replica.sql(
        "insert into daily_count (tenant_id, barn_id, day, animals) values ('t1', 'b1', '2026-01-02', $1) on conflict do nothing",
        [replica.tier.length],
      );
      await replica.sql("insert into entry values ('t1', $1, 'b2', $2, 2)", [newId(), replica.tier]);
    }
    await edge.sql("update session set weight = 11, remark = 'edge'");
    await cloud.sql("update session set remark = 'cloud'");
    await cloud.sql("update barn set name = 'Renamed' where id = 'b1'");
    await settle();
    await tablet.sql("delete from note where title = 'tablet'");
    await cloud.sql("delete from daily_count where day = '2026-01-01'");
    await edge.sql("delete from device_status");
    await settle();
    const shared = ["entry", "note", "session", "daily_count", "device_status"];
    const [atCloud, atEdge, atTablet] = [await cloud.digest(shared), await edge.digest(shared), await tablet.digest(shared)];
    expect(atEdge).toEqual(atCloud);
    expect(atTablet).toEqual(atCloud);
    expect(await edge.digest(["reading", "barn"])).toEqual(await cloud.digest(["reading", "barn"]));
    expect(await tablet.sql("select name, location from barn where id = 'b1'")).toEqual([{ name: "Renamed", location: null }]);
    expect(atCloud.map(({ table, rows }) => [table, rows])).toEqual([
      ["entry", 4],
      ["note", 3],
      ["session", 1],
      ["daily_count", 1],
      ["device_status", 0],
    ]);
    await Promise.all([cloud, edge, tablet].map(async (replica) => await replica.close()));
  });

  it("F-B1 F-D3 S5.10 a slice sent many times has one effect, and the engine's state does not grow", async () => {
    const [cloud, edge] = await pair(open);
    await writeEverything(edge);
    const slice = await edge.slice(cloud, "up", 0);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
    const first = await cloud.storage.apply(request);
    const [digest, rows] = [await cloud.digest(), await cloud.engineRows()];
    for (let round = 0; round < 3; round += 1) {
      const again = await cloud.storage.apply(request);
      expect(again).toMatchObject({
        position: first.position,
        commitsApplied: 0,
        commitsDuplicate: first.commitsApplied,
        outcomes: [],
      });
    }
    expect(await cloud.digest()).toEqual(digest);
    expect(await cloud.engineRows()).toBe(rows);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("S5.10 the same commits over two paths are applied once", async () => {
    const [cloud, edge] = await pair(open);
    await writeEverything(edge);
    await pushUp(edge, cloud);
    const digest = await cloud.digest();
    const slice = await edge.slice(cloud, "up", 0);
    const other = newId();
    await cloud.sql(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 'e', 'edge', 'worker', 'k')`,
      [edge.nodeId],
    );
    const again = await cloud.storage.apply({ peer: other, from: "child", grant: edge.grant(), slice });
    expect(again.commitsDuplicate).toBe(slice.commits.length);
    expect(await cloud.digest(["reading", "entry", "note"])).toEqual(
      digest.filter(({ table }) => ["reading", "entry", "note"].includes(table)),
    );
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-B2 shuffled and gapped slices are refused or ignored, and in the end everything is there once", async () => {
    const [cloud, edge] = await pair(open);
    for (let event = 0; event < 12; event += 1) await edge.sql(newReading(`e${String(event)}`));
    const slices: LogSlice[] = [];
    for (let after = 0; ;) {
      const slice = await edge.slice(cloud, "up", after, null, { bytesMax: 1e9, rowsMax: 2 });
      if (slice.upTo === after) break;
      slices.push(slice);
      after = slice.upTo;
    }
    const send = async (slice: LogSlice | undefined): Promise<string> => {
      if (slice === undefined) return "none";
      try {
        await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
        return "applied";
      } catch (error) {
        expect(error).toEqual(withCode("sequence-gap"));
        return "gap";
      }
    };
    const [order] = fc.sample(fc.array(fc.integer({ min: 0, max: slices.length - 1 }), { minLength: 40, maxLength: 40 }), {
      numRuns: 1,
      seed: 7,
    });
    const results = new Set<string>();
    for (const pick of order ?? []) results.add(await send(slices[pick]));
    for (const slice of slices) await send(slice);
    expect([...results].sort()).toEqual(["applied", "gap"]);
    expect(await cloud.digest(["reading"])).toEqual(await edge.digest(["reading"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-A5 T-C3 P-C3 a crash at any statement of apply leaves nothing behind, and the retry has the whole effect", async () => {
    const [cloud, edge] = await pair(open);
    await writeEverything(edge);
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'too much', 5)", [newId()]);
    const slice = await edge.slice(cloud, "up", 0);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
    const before = await cloud.fingerprint();
    let crashes = 0;
    for (let statement = 1; ; statement += 1) {
      const crashed = await cloud
        .over(failingDatabase(cloud.database, statement))
        .apply(request)
        .then(
          () => false,
          (error: unknown) => {
            expect(error).toBeInstanceOf(CrashError);
            return true;
          },
        );
      if (!crashed) break;
      crashes += 1;
      expect(await cloud.fingerprint()).toBe(before);
    }
    expect(crashes).toBeGreaterThan(15);
    expect(await cloud.digest(["reading", "entry", "note", "session"])).toEqual(
      await edge.digest(["reading", "entry", "note", "session"]),
    );
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-E8 after a commit of unknown outcome the next apply finds out by the origin's seq", async () => {
    const [cloud, edge] = await pair(open);
    await writeEverything(edge);
    const slice = await edge.slice(cloud, "up", 0);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
    await expect(cloud.over(failingDatabase(cloud.database, "atCommit")).apply(request)).rejects.toBeInstanceOf(CrashError);
    expect((await cloud.storage.apply(request)).commitsApplied).toBe(slice.commits.length);
    expect((await cloud.storage.apply(request)).commitsDuplicate).toBe(slice.commits.length);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("O6 a commit over several tables becomes visible at once", async () => {
    const [cloud, edge] = await pair(open);
    await edge.database.transaction(async (tx) => {
      await tx.query("insert into entry values ('t1', gen_random_uuid(), 'b1', 'token', 1)");
      await tx.query("insert into note (tenant_id, id, barn_id, title) values ('t1', gen_random_uuid(), 'b1', 'token')");
      await tx.query(
        "insert into daily_count (tenant_id, barn_id, day, animals, remark) values ('t1', 'b1', '2026-02-02', 5, 'token')",
      );
    });
    const seen = new Set<number>();
    const watcher = { running: true };
    const count = `select (select count(*) from entry where text = 'token') + (select count(*) from note where title = 'token')
      + (select count(*) from daily_count where remark = 'token') as count`;
    const watch = async (): Promise<void> => {
      while (watcher.running) seen.add(Number((await cloud.sql(count))[0]?.["count"]));
    };
    const watching = watch();
    await pushUp(edge, cloud);
    watcher.running = false;
    await watching;
    seen.add(Number((await cloud.sql(count))[0]?.["count"]));
    expect([...seen].every((rows) => rows === 0 || rows === 3)).toBe(true);
    expect(seen.has(3)).toBe(true);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("commits of two children and of local writers meet in the same rows at the same time and end equal everywhere", async () => {
    const [cloud, edge] = await pair(open);
    const second = await TestReplica.open(open, "edge");
    await exchange(second, cloud);
    const children = [edge, second];
    const count =
      "insert into daily_count (tenant_id, barn_id, day, animals, remark) values ('t1', 'b1', $1, $2, $3) on conflict (tenant_id, barn_id, day) do update set animals = excluded.animals";
    const write = async (replica: TestReplica, round: number): Promise<void> => {
      for (let day = 1; day <= 6; day += 1) {
        const row = [`2026-03-0${String(day)}`, round * 10 + day, replica.tier];
        // Postgres settles a conflict in the index that the statement names. Where the row that arrives meanwhile meets the other one first, a
        // writer gets 23505, and writes again, as with any two unique keys of a row.
        await replica.sql(count, row).catch(async (error: unknown) => {
          if (sqlstateOf(error) !== UNIQUE_VIOLATION) throw error;
          await replica.sql(count, row);
        });
      }
    };
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(children.map(async (child) => await write(child, round)));
      await Promise.all([write(cloud, round), ...children.map(async (child) => await pushUp(child, cloud))]);
    }
    for (const child of [...children, ...children]) await exchange(child, cloud);
    for (const child of children) expect(await child.digest(["daily_count"])).toEqual(await cloud.digest(["daily_count"]));
    const states =
      "select row_key, stamps::text as stamps from hayloft.row_state where table_name = 'daily_count' order by row_key";
    expect((await cloud.sql(states)).length).toBe(6);
    await Promise.all([cloud, edge, second].map(async (replica) => await replica.close()));
  });

  it("T-C10 a commit whose content was changed on the way is refused as content-hash, and nothing of the slice is kept", async () => {
    const [cloud, edge] = await pair(open);
    await writeEverything(edge);
    const before = await cloud.fingerprint();
    const slice = await edge.slice(cloud, "up", 0);
    const forged = slice.commits.map((commit) => ({ ...commit, author: "somebody else" }));
    const apply = cloud.storage.apply({
      peer: edge.nodeId,
      from: "child",
      grant: edge.grant(),
      slice: { ...slice, commits: forged },
    });
    await expect(apply).rejects.toEqual(withCode("content-hash"));
    const cut = { ...slice, commits: slice.commits.slice(1) };
    await expect(cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice: cut })).rejects.toEqual(
      withCode("sequence-gap"),
    );
    expect(await cloud.fingerprint()).toBe(before);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-C3 a commit from the far future is refused before anything is merged", async () => {
    const [cloud, edge] = await pair(open);
    await edge.sql(newReading("e1"));
    const [head] = await cloud.storage.heads([TENANT]);
    const slow = await TestReplica.open(open, "cloud", { clock: { nowMs: () => Date.now() - 3_600_000 } });
    await slow.sql(BARN, ["b1", "Barn one"]);
    const [before] = await slow.storage.heads([TENANT]);
    const slice = await edge.slice(slow, "up", 0);
    await expect(slow.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice })).rejects.toEqual(
      withCode("clock-ahead"),
    );
    expect((await slow.storage.heads([TENANT]))[0]?.stamp).toBe(before?.stamp);
    expect(head).toBeDefined();
    await Promise.all([cloud.close(), edge.close(), slow.close()]);
  });

  it("projections run in the transaction that applies", async () => {
    const seen: string[] = [];
    const project = async (tx: SqlSession): Promise<void> => {
      const { rows } = await tx.query<{ count: number }>("select count(*) as count from reading");
      seen.push(String(rows[0]?.count));
    };
    const cloud = await TestReplica.open(open, "cloud", { projections: { reading: project } });
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await edge.sql(newReading("e1"));
    await pushUp(edge, cloud);
    expect(seen).toEqual(["1"]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
