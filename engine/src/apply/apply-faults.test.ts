import { expect, inject, it } from "vitest";
import { newId } from "../identity/new-id.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import { pruneLog } from "../log/prune-log.ts";
import type { ApplyResult, LogSlice } from "../replica/replica-storage.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import type { OpenDatabase } from "../testing/preparation.ts";
import { CrashError, failingDatabase, stepwiseDatabase } from "./failing-database.ts";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "./test-replica.ts";

const SHARED = ["entry", "note", "barn"];
const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)";

async function pair(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await exchange(edge, cloud);
  return [cloud, edge];
}

const ended = async (work: Promise<unknown>): Promise<boolean> =>
  await work.then(
    () => true,
    (error: unknown) => {
      expect(error).toBeInstanceOf(CrashError);
      return false;
    },
  );

/** A note, one that the parent refuses, and a reading, each a commit of its own. Returns the seq of the refused one. */
async function writeWithRefusal(edge: TestReplica): Promise<number> {
  await edge.database.script("alter table note drop constraint note_title_check");
  await edge.sql(NOTE, [newId(), "good"]);
  await edge.sql(NOTE, [newId(), "x".repeat(200)]);
  const [own] = await edge.sql("select max(seq) as seq from hayloft.commit where via is null");
  await edge.sql(newReading("e1"));
  return Number(own?.["seq"]);
}

eachDatabase("faults of apply", (open) => {
  it("F-A5 F-A6 a child that dies at any statement of what comes down, or before anybody has heard, has rows and cursor both or neither", async () => {
    const [cloud, edge] = await pair(open);
    for (const title of ["one", "two"]) await cloud.sql(NOTE, [newId(), title]);
    await cloud.sql("update barn set name = 'Renamed'");
    const [from] = await edge.storage.receivedCursors(cloud.nodeId);
    const slice = await cloud.slice(edge, "down", from?.position ?? 0);
    const request = { peer: cloud.nodeId, from: "parent", grant: null, slice } as const;
    const before = await edge.fingerprint();
    let crashes = 0;
    for (let statement = 1; !(await ended(edge.over(failingDatabase(edge.database, statement)).apply(request))); statement += 1) {
      crashes += 1;
      expect(await edge.fingerprint()).toBe(before);
    }
    expect(crashes).toBeGreaterThan(8);
    await cloud.sql(NOTE, [newId(), "three"]);
    const rest = await cloud.slice(edge, "down", slice.upTo);
    expect(await ended(edge.over(failingDatabase(edge.database, "afterCommit")).apply({ ...request, slice: rest }))).toBe(false);
    expect((await edge.storage.receivedCursors(cloud.nodeId)).map(({ position }) => position)).toEqual([rest.upTo]);
    expect(await edge.digest(SHARED)).toEqual(await cloud.digest(SHARED));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-A3 F-A4 an answer that is lost on its way, or with the child that was storing it, comes again word for word and has one effect", async () => {
    const [cloud, edge] = await pair(open);
    const refused = await writeWithRefusal(edge);
    const [from] = await edge.storage.acknowledgedCursors(cloud.nodeId);
    const slice = await edge.slice(cloud, "up", from?.position ?? 0);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
    // The parent has committed, and its process dies before the answer.
    expect(await ended(cloud.over(failingDatabase(cloud.database, "afterCommit")).apply(request))).toBe(false);
    const answers = [await cloud.storage.apply(request), await cloud.storage.apply(request)];
    expect(answers[0]).toMatchObject({
      commitsApplied: 0,
      position: slice.upTo,
      outcomes: [{ seq: refused, outcome: "refused", code: "refused-constraint" }],
    });
    expect(answers[1]).toEqual(answers[0]);
    const { position, outcomes } = answers[0] as ApplyResult;
    const acknowledgement = { peer: cloud.nodeId, tenant: TENANT, incarnation: slice.incarnation, position, top: true, outcomes };
    const before = await edge.fingerprint();
    let crashes = 0;
    const store = async (statement: number): Promise<boolean> =>
      await ended(edge.over(failingDatabase(edge.database, statement)).recordAcknowledgement(acknowledgement));
    for (let statement = 1; !(await store(statement)); statement += 1) {
      crashes += 1;
      expect(await edge.fingerprint()).toBe(before);
    }
    expect(crashes).toBeGreaterThan(2);
    await edge.storage.recordAcknowledgement(acknowledgement);
    const [head] = await edge.sql("select origin from hayloft.commit where seq = $1 and via is null", [refused]);
    const receipt = await readReceipt(edge.database, TENANT, String(head?.["origin"]), refused);
    expect(receipt).toMatchObject({ outcome: "refused", code: "refused-constraint" });
    for (const replica of [cloud, edge]) {
      expect(await replica.sql("select title from note")).toEqual([{ title: "good" }]);
      expect(await replica.sql("select count(*) as count from reading")).toEqual([{ count: 1 }]);
      expect(await replica.sql("select count(*) as count from hayloft.quarantine")).toEqual([{ count: 1 }]);
    }
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D3 F-D7 what comes again a year after its log was pruned has no effect, and brings nothing deleted back", async () => {
    const [cloud, edge] = await pair(open);
    await edge.sql(NOTE, [newId(), "deleted"]);
    await edge.sql(newReading("e1"));
    const first = await edge.slice(cloud, "up", 0);
    await pushUp(edge, cloud);
    await pullDown(edge, cloud);
    await edge.sql("delete from note where title = 'deleted'");
    const second = await edge.slice(cloud, "up", first.upTo);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant() } as const;
    // Acknowledged, and the parent dies with the acknowledgement on its way: what it says now it reads from its database.
    expect(await ended(cloud.over(failingDatabase(cloud.database, "afterCommit")).apply({ ...request, slice: second }))).toBe(
      false,
    );
    const nowMs = Date.now() + 400 * 86_400_000;
    for (const replica of [cloud, edge]) {
      const hasParent = replica === edge;
      await pruneLog(replica.database, replica.catalog, { olderThanMs: 1, childAbsentMs: 2, nowMs, hasParent });
    }
    expect(await cloud.sql("select count(*) as count from hayloft.commit")).toEqual([{ count: 0 }]);
    for (const slice of [first, second, first] as readonly LogSlice[]) {
      const again = await cloud.storage.apply({ ...request, slice });
      expect(again).toMatchObject({ commitsApplied: 0, commitsDuplicate: slice.commits.length });
    }
    expect(await cloud.sql("select (select count(*) from note) as notes, (select count(*) from reading) as readings")).toEqual([
      { notes: 0, readings: 1 },
    ]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-C9 a position or number beyond the last one is an error of the write, not a wrap, and one that cannot be read exactly is not rounded", async () => {
    const [cloud, edge] = await pair(open);
    await edge.sql(NOTE, [newId(), "before"]);
    for (const [counter, top] of [
      ["seq", "9223372036854775807"],
      ["position", "9223372036854775807"],
    ] as const) {
      const [was] = await edge.sql(`select ${counter}::text as was from hayloft.head where tenant_id = 't1'`);
      await edge.sql(`update hayloft.head set ${counter} = '${top}' where tenant_id = 't1'`);
      const beyond = edge.sql(NOTE, [newId(), "beyond"]);
      await expect(beyond).rejects.toMatchObject({ code: "sql-failed", details: { sqlstate: "22003" } });
      await expect(edge.storage.heads([TENANT])).rejects.toMatchObject({ details: { sqlstate: "22003" } });
      await edge.sql(`update hayloft.head set ${counter} = '${String(was?.["was"])}' where tenant_id = 't1'`);
    }
    await pushUp(edge, cloud);
    expect(await cloud.sql("select title from note")).toEqual([{ title: "before" }]);
    expect(await edge.sql("select count(*) as count from hayloft.commit where via is null")).toEqual([{ count: 1 }]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});

it("F-E2 a hub that stood still in the middle of a transaction while another took its work over has no effect when it goes on", async () => {
  const [cloud, edge] = await pair(freshPostgres);
  const [{ name = "" } = {}] = (await cloud.sql("select current_database() as name")) as readonly { readonly name?: string }[];
  const url = new URL(inject("hayloftPostgres"));
  url.pathname = name;
  const second = await openPostgresDatabase({ connectionString: url.href });
  const waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  let [statements, overtaken] = [0, 0];
  for (let stop = 1; stop === 1 || stop <= statements; stop += 3) {
    await edge.sql(NOTE, [newId(), `note ${String(stop)}`]);
    await edge.sql(newReading(`e${String(stop)}`));
    const [from] = await edge.storage.acknowledgedCursors(cloud.nodeId);
    const slice = await edge.slice(cloud, "up", from?.position ?? 0);
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
    let count = 0;
    const overtaking = { isDone: false };
    const stale = cloud.over(
      stepwiseDatabase(cloud.database, async () => {
        count += 1;
        if (count !== stop) return;
        // The other one either takes the slice meanwhile, or has to wait for what this one holds.
        other = cloud.over(second).apply(request);
        void other.then(() => (overtaking.isDone = true));
        while (!overtaking.isDone && (await second.query(waiting)).rows.length === 0);
        if (overtaking.isDone) overtaken += 1;
      }),
    );
    let other: Promise<ApplyResult> | null = null;
    const results = [await stale.apply(request), await (other as Promise<ApplyResult> | null)];
    statements = Math.max(statements, count);
    expect(results.map((result) => (result?.commitsApplied ?? 0) + (result?.commitsDuplicate ?? 0))).toEqual([2, 2]);
    expect(results.reduce((sum, result) => sum + (result?.commitsApplied ?? 0), 0)).toBe(2);
    await pushUp(edge, cloud);
  }
  expect([statements > 8, overtaken > 0]).toEqual([true, true]);
  for (const table of ["note", "reading"])
    expect(await cloud.sql(`select count(*) as count from ${table}`)).toEqual(
      await edge.sql(`select count(*) as count from ${table}`),
    );
  expect(await cloud.sql("select count(*) as count from hayloft.quarantine")).toEqual([{ count: 0 }]);
  await Promise.all([cloud.close(), edge.close(), second.close()]);
});
