import { expect, it } from "vitest";
import { CrashError, failingDatabase } from "../apply/failing-database.ts";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { fill, position } from "./fill-replica.ts";
import { newId } from "../identity/new-id.ts";
import { beginIncarnations } from "../incarnation/begin-incarnation.ts";
import { pruneLog } from "../log/prune-log.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import type { SnapshotChunk, SnapshotCursor } from "../replica/replica-storage.ts";
import { eachDatabase } from "../testing/each-database.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const SHARED = ["entry", "note", "session", "daily_count", "device_status"];

async function filledCloud(open: OpenDatabase): Promise<TestReplica> {
  const cloud = await TestReplica.open(open, "cloud");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  for (let number = 0; number < 12; number += 1) {
    await cloud.sql("insert into note (tenant_id, id, barn_id, title, price) values ('t1', $1, 'b1', $2, 1.50)", [
      newId(),
      `n${String(number)}`,
    ]);
    await cloud.sql("insert into entry values ('t1', $1, 'b1', 'text', $2)", [newId(), number]);
  }
  await cloud.sql(
    "insert into daily_count (tenant_id, barn_id, day, animals) select 't1', 'b1', date '2026-01-01' + n, n from generate_series(1, 5) n",
  );
  return cloud;
}

eachDatabase("snapshot", (open) => {
  it("fills a new replica in small pages, and the tail brings what changed meanwhile", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    await fill(edge, cloud, {
      afterPage: async (page) => {
        await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)", [
          newId(),
          `page ${String(page)}`,
        ]);
        if (page % 3 === 0) await cloud.sql("delete from note where id = (select min(id::text)::uuid from note)");
        if (page % 4 === 0)
          await cloud.sql(
            "update note set title = title || '!', status = 'held' where id = (select max(id::text)::uuid from note)",
          );
      },
    });
    await pullDown(edge, cloud);
    expect(await edge.digest([...SHARED, "barn"])).toEqual(await cloud.digest([...SHARED, "barn"]));
    await edge.sql("update note set title = 'edge' where title like 'n3%'");
    await exchange(edge, cloud);
    expect(await edge.digest(SHARED)).toEqual(await cloud.digest(SHARED));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-C6 F-C7 pages, and the end, of a snapshot that was asked for before our logs began anew are refused", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    const at = await position(cloud);
    const first = await cloud.storage.readSnapshot(edge.grant(), TENANT, null, 400);
    const second = await cloud.storage.readSnapshot(edge.grant(), TENANT, first?.next ?? null, 400);
    if (first === null || second === null) throw new Error("the snapshot has two pages");
    const goesOn = { goesOn: true };
    await edge.storage.applySnapshot(cloud.nodeId, [first], at, 0);
    await edge.storage.applySnapshot(cloud.nodeId, [second], at, 0, goesOn);
    await edge.sql("update hayloft.peer set relation = 'parent'");
    await edge.database.transaction(async (tx) => await beginIncarnations(tx, { cause: "diverged", hasParent: true }));
    await expect(edge.storage.applySnapshot(cloud.nodeId, [second], at, 0, goesOn)).rejects.toMatchObject({
      code: "unavailable",
    });
    await expect(edge.storage.finishSnapshot(cloud.nodeId, at, true)).rejects.toMatchObject({ code: "unavailable" });
    expect(await edge.storage.unfinishedSnapshot(cloud.nodeId, TENANT)).toBeNull();
    expect(await edge.storage.receivedCursors(cloud.nodeId)).toEqual([]);
    await fill(edge, cloud);
    expect(await edge.digest(SHARED)).toEqual(await cloud.digest(SHARED));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-C1 what is written after a snapshot is later than every row of it, also when the clock is behind", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await cloud.sql("update hayloft.head set stamp = $1", [BigInt(Date.now() + 30_000) << 16n]);
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'cloud')", [newId()]);
    await fill(edge, cloud);
    await edge.sql("update note set title = 'edge'");
    expect(await pushUp(edge, cloud)).toMatchObject({ outcomes: [] });
    expect(await cloud.sql("select title from note")).toEqual([{ title: "edge" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-A9 resumes after a crash at any page, and pages applied twice change nothing", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    let crash = 2;
    for (;;) {
      const done = await fill(edge, cloud, {
        afterPage: async (page) => {
          if (page < crash) return;
          crash += 1;
          throw new CrashError();
        },
      }).then(
        () => true,
        () => false,
      );
      if (done) break;
    }
    await pullDown(edge, cloud);
    expect(await edge.digest(SHARED)).toEqual(await cloud.digest(SHARED));
    const before = await edge.digest();
    const at = await position(cloud);
    const chunk = await cloud.storage.readSnapshot(edge.grant(), TENANT, null, 1e6);
    if (chunk === null) throw new Error("no page");
    await edge.storage.applySnapshot(cloud.nodeId, [chunk], at);
    await edge.storage.applySnapshot(cloud.nodeId, [chunk], at);
    expect(await edge.digest()).toEqual(before);
    await expect(edge.over(failingDatabase(edge.database, 6)).applySnapshot(cloud.nodeId, [chunk], at)).rejects.toBeInstanceOf(
      CrashError,
    );
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D1 F-D5 F-D7 a replica behind the horizon keeps its unsent work and does not bring deleted rows back", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    await exchange(edge, cloud);
    await edge.sql(newReading("unsent"));
    await edge.sql("update note set title = 'unsent' where title = 'n1'");
    const mine = newId();
    await edge.sql("insert into entry values ('t1', $1, 'b1', 'unsent', 1)", [mine]);
    await cloud.sql("delete from note where title in ('n2', 'n3')");
    await cloud.sql("update note set price = 9 where title = 'n1'");
    const options = { olderThanMs: -60_000, childAbsentMs: -120_000, nowMs: Date.now(), hasParent: false };
    const [pruned] = await pruneLog(cloud.database, cloud.catalog, options);
    expect(pruned?.commits).toBeGreaterThan(20);
    await expect(pullDown(edge, cloud)).rejects.toThrow("behind-horizon");
    await fill(edge, cloud);
    expect(await edge.sql("select title, price from note where title = 'unsent'")).toEqual([{ title: "unsent", price: "9.00" }]);
    expect(await edge.sql("select count(*) as count from note where title in ('n2', 'n3')")).toEqual([{ count: 0 }]);
    expect(await edge.sql("select text from entry where id = $1", [mine])).toEqual([{ text: "unsent" }]);
    // Receipts of what was written before the snapshot: not sent, and then there, whatever pages came between.
    const [head] = await edge.sql("select incarnation, seq from hayloft.head where tenant_id = 't1'");
    const [origin, last] = [String(head?.["incarnation"]), Number(head?.["seq"])];
    const receipts = async (): Promise<unknown> =>
      await Promise.all([last - 2, last - 1, last].map(async (seq) => await readReceipt(edge.database, TENANT, origin, seq)));
    const reached = (isThere: boolean): unknown => ({
      device: { reached: true },
      parent: { reached: isThere },
      top: { reached: isThere },
    });
    expect(await receipts()).toMatchObject([reached(false), reached(false), reached(false)]);
    await exchange(edge, cloud);
    expect(await receipts()).toMatchObject([reached(true), reached(true), reached(true)]);
    expect(await edge.digest([...SHARED, "reading"])).toEqual(await cloud.digest([...SHARED, "reading"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("holds only what the tier retains: the newest generations, the last days, and the grant's barns", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const source = await TestReplica.open(open, "edge");
    for (const barn of ["b1", "b2"]) await cloud.sql(BARN, [barn, barn]);
    await exchange(source, cloud);
    for (const [batch, barn] of [
      [1, "b1"],
      [2, "b1"],
      [3, "b1"],
      [9, "b2"],
    ] as const) {
      await source.sql("insert into session values ('t1', $1, $3, $2, null, null)", [newId(), batch, barn]);
    }
    await source.sql(
      "insert into reading select 't1', gen_random_uuid(), 'b1', 1, 'd' || n, now() - n * interval '1 day' from generate_series(1, 60) n",
    );
    await pushUp(source, cloud);
    const edge = await TestReplica.open(open, "edge");
    const grant = edge.grant({ barn: ["b1"] });
    const tables = new Map<string, number>();
    const batches: string[] = [];
    for (let cursor: SnapshotCursor | null = null; ;) {
      const chunk = await cloud.storage.readSnapshot(grant, TENANT, cursor, 1e6);
      if (chunk === null) break;
      tables.set(chunk.change.table, chunk.change.rowCount);
      if (chunk.change.table === "session")
        batches.push(...(chunk.change.values[chunk.change.columns.indexOf("batch")] ?? []).map(String));
      if (chunk.next === null) break;
      cursor = chunk.next;
    }
    expect(batches.sort()).toEqual(["2", "3"]);
    expect(tables.get("barn")).toBe(1);
    expect([29, 30]).toContain(tables.get("reading"));
    await Promise.all([cloud.close(), source.close(), edge.close()]);
  });

  it("F-D7 rows that the parent deleted with the rows that refer to them go away in a snapshot too", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b2", "Barn two"]);
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b2', 'goes')", [newId()]);
    await fill(edge, cloud);
    await cloud.sql("delete from note where barn_id = 'b2'");
    await cloud.sql("delete from barn where id = 'b2'");
    await fill(edge, cloud);
    expect(await edge.digest([...SHARED, "barn"])).toEqual(await cloud.digest([...SHARED, "barn"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a row that refers to one written since that table's page was read waits for the tail", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    await fill(edge, cloud, {
      afterPage: async (page) => {
        if (page !== 1) return;
        await cloud.sql(BARN, ["b9", "Barn nine"]);
        await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b9', 'new')", [newId()]);
        await cloud.sql("insert into entry values ('t1', $1, 'b9', 'new', 1)", [newId()]);
      },
    });
    await pullDown(edge, cloud);
    expect(await edge.digest([...SHARED, "barn"])).toEqual(await cloud.digest([...SHARED, "barn"]));
    expect(await edge.sql("select * from hayloft.quarantine")).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("P-C3 work that the parent takes while a snapshot is on its way does not go away with a page read before", async () => {
    const cloud = await filledCloud(open);
    const edge = await TestReplica.open(open, "edge");
    await edge.sql("insert into device_status values ('t1', 'd1', null, 'online', now())");
    const at = await position(cloud);
    const pages: SnapshotChunk[] = [];
    for (let cursor: SnapshotCursor | null = null; ;) {
      const chunk = await cloud.storage.readSnapshot(edge.grant(), TENANT, cursor, 1e6);
      if (chunk === null) break;
      pages.push(chunk);
      if (chunk.next === null) break;
      cursor = chunk.next;
    }
    await pushUp(edge, cloud);
    for (const chunk of pages) await edge.storage.applySnapshot(cloud.nodeId, [chunk], at, 0);
    await edge.storage.finishSnapshot(cloud.nodeId, at);
    await pullDown(edge, cloud);
    expect(await edge.digest([...SHARED, "barn"])).toEqual(await cloud.digest([...SHARED, "barn"]));
    await Promise.all([cloud.close(), edge.close()]);
  });
});
