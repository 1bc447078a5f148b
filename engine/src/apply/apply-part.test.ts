import { expect, it } from "vitest";
import { commitHashHolds } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { PartFrame } from "../protocol/frame.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import type { ApplyResult, Grant } from "../replica/replica-storage.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { BARN, exchange, TENANT, TestReplica } from "./test-replica.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const ROWS = 2_000;
const fill = (value = "1.00"): string =>
  `insert into reading select 't1', gen_random_uuid(), 'b1', ${value}, 'event-' || n || repeat('x', 500), '2026-11-01 10:00:00+00'
    from generate_series(1, ${String(ROWS)}) n`;

const withCode = (code: string): unknown => expect.toSatisfy((error: unknown) => isHayloftError(error) && error.code === code);

async function pair(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await cloud.sql(BARN, ["b2", "Barn two"]);
  await exchange(edge, cloud);
  return [cloud, edge];
}

/** The parts of the large commit that comes next in the log of `from`. */
async function partsOf(
  from: TestReplica,
  to: TestReplica,
  towards: "up" | "down",
  after: number,
  grant: Grant | null = null,
): Promise<readonly PartFrame[]> {
  const request = { tenant: TENANT, peer: to.nodeId, towards, grant };
  const slice = await from.storage.readLog({ ...request, after, bytesMax: 1e9, rowsMax: 1e9 });
  const position = slice.large ?? 0;
  expect([slice.commits, slice.upTo]).toEqual([[], position - 1]);
  const parts: PartFrame[] = [];
  for (let place = null, last = false, index = 0; !last; index += 1) {
    const read = await from.storage.readPart({ ...request, position, after: place });
    const part = {
      tenant: TENANT,
      incarnation: read.incarnation,
      after,
      upTo: position,
      head: read.head,
      commits: [read.commit],
    };
    parts.push({ type: "part", slice: part, index, last: read.last, digest: read.place.digest });
    ({ place, last } = read);
  }
  return parts;
}

const wholeOf = (parts: readonly PartFrame[]): Commit => {
  const [first] = parts[0]?.slice.commits ?? [];
  if (first === undefined) throw new Error("no parts");
  return { ...first, changes: parts.flatMap(({ slice }) => slice.commits[0]?.changes ?? []) };
};

const give = async (to: TestReplica, from: TestReplica, part: PartFrame): Promise<ApplyResult | null> =>
  await to.storage.applyPart({ peer: from.nodeId, from: "child", grant: from.grant(), part });

const countOf = async (replica: TestReplica, table: string): Promise<number> =>
  Number((await replica.sql(`select count(*)::int as n from ${table}`))[0]?.["n"]);

/** Where the child's log stands that the cloud has received. */
const receivedFrom = async (cloud: TestReplica, child: TestReplica): Promise<number> =>
  (await cloud.storage.receivedCursors(child.nodeId)).find(({ tenant }) => tenant === TENANT)?.position ?? 0;

eachDatabase("commits in parts", (open) => {
  it("O6 F-B7 nothing of a large commit is seen before its last part, all of it after, and again changes nothing", async () => {
    const [cloud, edge] = await pair(open);
    await edge.sql(fill());
    const parts = await partsOf(edge, cloud, "up", await receivedFrom(cloud, edge));
    expect(parts.length).toBeGreaterThan(2);
    expect(commitHashHolds(wholeOf(parts))).toBe(true);
    for (const part of parts.slice(0, -1)) {
      expect(await give(cloud, edge, part)).toBeNull();
      expect(await countOf(cloud, "reading")).toBe(0);
    }
    const [last] = parts.slice(-1);
    if (last === undefined) throw new Error("no last part");
    expect(await give(cloud, edge, last)).toMatchObject({
      position: last.slice.upTo,
      rowsApplied: ROWS,
      commitsApplied: 1,
      outcomes: [],
    });
    expect(await countOf(cloud, "reading")).toBe(ROWS);
    expect(await cloud.digest(["reading"])).toEqual(await edge.digest(["reading"]));
    expect(await countOf(cloud, "hayloft.staged")).toBe(0);
    for (const part of parts) await give(cloud, edge, part);
    expect(await countOf(cloud, "reading")).toBe(ROWS);
    expect(await countOf(cloud, "hayloft.staged")).toBe(0);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-B4 F-B12 a part that is missing, altered or of another commit is refused, and part 0 begins anew", async () => {
    const [cloud, edge] = await pair(open);
    await edge.sql(fill());
    const [first, second, third, ...rest] = await partsOf(edge, cloud, "up", await receivedFrom(cloud, edge));
    if (first === undefined || second === undefined || third === undefined) throw new Error("too few parts");
    await expect(give(cloud, edge, second)).rejects.toEqual(withCode("sequence-gap"));
    await give(cloud, edge, first);
    await expect(give(cloud, edge, third)).rejects.toEqual(withCode("sequence-gap"));
    const other = { ...second.slice, upTo: second.slice.upTo + 1 };
    await expect(give(cloud, edge, { ...second, slice: other })).rejects.toEqual(withCode("sequence-gap"));
    await expect(give(cloud, edge, { ...second, digest: third.digest })).rejects.toEqual(withCode("content-hash"));
    await give(cloud, edge, second);
    const { incarnation, upTo: position } = first.slice;
    const known = [{ tenant: TENANT, incarnation, position, parts: 2, digest: second.digest }];
    expect(await cloud.storage.stagedCommits(edge.nodeId)).toEqual(known);
    expect(await cloud.storage.stagedCommits(cloud.nodeId)).toEqual([]);
    await give(cloud, edge, first);
    expect(await cloud.storage.stagedCommits(edge.nodeId)).toMatchObject([{ parts: 1, digest: first.digest }]);
    for (const part of [second, third, ...rest]) await give(cloud, edge, part);
    expect(await countOf(cloud, "reading")).toBe(ROWS);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("O6 one row that the cloud must refuse, in the last part, refuses the whole commit and holds up nothing behind it", async () => {
    const [cloud, edge] = await pair(open);
    await edge.database.script("alter table reading drop constraint reading_value_check");
    await edge.sql(fill(`case n when ${String(ROWS)} then 5000 else 1 end`));
    const parts = await partsOf(edge, cloud, "up", await receivedFrom(cloud, edge));
    const results: (ApplyResult | null)[] = [];
    for (const part of parts) results.push(await give(cloud, edge, part));
    const { origin, seq } = wholeOf(parts);
    expect(results.at(-1)).toMatchObject({
      commitsApplied: 0,
      outcomes: [{ origin, seq, outcome: "refused", code: "refused-constraint" }],
    });
    expect(await countOf(cloud, "reading")).toBe(0);
    const [held] = await listQuarantine(cloud.database, TENANT);
    expect(held?.commit).toEqual(wholeOf(parts));
    await edge.sql("insert into entry values ('t1', gen_random_uuid(), 'b1', 'after', 1)");
    const after = parts[0]?.slice.upTo ?? 0;
    const slice = await edge.slice(cloud, "up", after);
    await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice });
    expect(await countOf(cloud, "entry")).toBe(1);
    // A session that did not learn of all that the cloud stored sends the parts again: the refusal is told with them, and then no more.
    const again: (ApplyResult | null)[] = [];
    for (const part of parts) again.push(await give(cloud, edge, part));
    expect(again.at(-1)?.outcomes).toMatchObject([{ origin, seq, outcome: "refused" }]);
    const empty = { ...slice, after, upTo: after, commits: [] };
    const { outcomes } = await cloud.storage.apply({ peer: edge.nodeId, from: "child", grant: edge.grant(), slice: empty });
    expect(outcomes).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("goes through a relay under its own hash, and down only as far as the grant allows, with rows that move", async () => {
    const [cloud, edge] = await pair(open);
    const tablet = await TestReplica.open(open, "tablet");
    await cloud.sql(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 'tablet', 'tablet', 'worker', 'k')`,
      [tablet.nodeId],
    );
    await exchange(edge, cloud);
    await exchange(tablet, edge);
    const notes = `insert into note (tenant_id, id, barn_id, title, body)
      select 't1', gen_random_uuid(), case when n % 3 = 0 then 'b2' else 'b1' end, 'n' || n, repeat('y', 600) from generate_series(1, 1800) n`;
    await tablet.sql(notes);
    for (const part of await partsOf(tablet, edge, "up", await receivedFrom(edge, tablet))) await give(edge, tablet, part);
    const relayed = await partsOf(edge, cloud, "up", await receivedFrom(cloud, edge));
    expect(commitHashHolds(wholeOf(relayed))).toBe(true);
    for (const part of relayed) await give(cloud, edge, part);
    expect(await cloud.digest(["note"])).toEqual(await tablet.digest(["note"]));

    const guest = await TestReplica.open(open, "edge");
    const grant = guest.grant({ barn: ["b1"] });
    const take = async (after: number): Promise<readonly PartFrame[]> => {
      const parts = await partsOf(cloud, guest, "down", after, grant);
      for (const part of parts) await guest.storage.applyPart({ peer: cloud.nodeId, from: "parent", grant: null, part });
      return parts;
    };
    const up = relayed[0]?.slice.upTo ?? 0;
    const position = Number((await cloud.sql("select position from hayloft.head where tenant_id = 't1'"))[0]?.["position"]);
    expect(up).toBeGreaterThan(0);
    const before = await cloud.slice(guest, "down", 0, grant, { bytesMax: 1e9, rowsMax: 1e9 });
    await guest.storage.apply({ peer: cloud.nodeId, from: "parent", grant: null, slice: before });
    await take(before.upTo);
    const ids = "select id::text as id from note where barn_id = 'b1' order by id";
    expect(await guest.sql("select id::text as id from note order by id")).toEqual(await cloud.sql(ids));

    // Every row moves: those to b1 come, those to b2 go, and those that only pass through another column stay.
    await cloud.sql("update note set barn_id = case barn_id when 'b1' then 'b2' else 'b1' end, title = 'moved'");
    const moved = await take(position);
    expect(moved.length).toBeGreaterThan(2);
    expect(await guest.sql("select id::text as id from note order by id")).toEqual(await cloud.sql(ids));
    await Promise.all([cloud, edge, tablet, guest].map(async (replica) => await replica.close()));
  });
});
