import { expect, it } from "vitest";
import { BARN, exchange, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { startClock, stampOfMs, tickClock } from "../clock/hybrid-clock.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { notePeer } from "../replica/note-peer.ts";
import { eachDatabase } from "../testing/each-database.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const DAY_MS = 86_400_000;

interface Barn {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly tablet: TestReplica;
  readonly second: TestReplica;
  readonly all: readonly TestReplica[];
}

/** cloud – edge – two tablets, and a note that all of them have. */
async function barn(open: OpenDatabase): Promise<Barn> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  const tablet = await TestReplica.open(open, "tablet");
  const second = await TestReplica.open(open, "tablet");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  for (const node of [tablet, second])
    await cloud.sql(
      "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 't', 'tablet', 'worker', 'k')",
      [node.nodeId],
    );
  await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'first')", [newId()]);
  await exchange(edge, cloud);
  for (const node of [tablet, second]) {
    await exchange(node, edge);
    await edge.sql(
      "insert into hayloft.peer (node_id, tenant_id, relation) values ($1, 't1', 'child') on conflict (node_id, tenant_id) do update set relation = 'child'",
      [node.nodeId],
    );
  }
  return { cloud, edge, tablet, second, all: [cloud, edge, tablet, second] };
}

/** The replica's clock is a day ahead until it is measured: so is every stamp that it gives. */
const setAhead = async (replica: TestReplica): Promise<void> =>
  void (await replica.sql("update hayloft.head set stamp = $1 where tenant_id = 't1'", [stampOfMs(Date.now() + DAY_MS)]));

const isAhead = (error: unknown): boolean => isHayloftError(error, "clock-ahead");
const nowStamp = (): bigint => stampOfMs(Date.now() + 60_000);

/** The hub has told the edge the time, and the edge those below it. */
const measured = async (child: TestReplica, parent: TestReplica): Promise<void> =>
  await notePeer(child.database, { node: parent.nodeId, tenant: TENANT, relation: "parent", skewMs: 0, errorCode: null });

const stampsOf = async ({ database }: TestReplica): Promise<readonly bigint[]> => {
  const { rows } = await database.query<{ stamp: string }>(
    "select (e.value ->> 0) as stamp from hayloft.row_state s, jsonb_each(s.stamps) e where s.table_name = 'note' and jsonb_typeof(e.value) = 'array'",
  );
  return rows.map(({ stamp }) => BigInt(stamp));
};

/** Until nobody has anything new. */
async function settle({ cloud, edge, tablet, second }: Barn): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    for (const node of [tablet, second]) {
      await pushUp(node, edge).catch(async (error: unknown) => {
        if (!isAhead(error)) throw error;
        await node.storage.restampUnacknowledged(edge.nodeId, TENANT);
        await pushUp(node, edge);
      });
    }
    await exchange(edge, cloud);
    for (const node of [tablet, second]) await exchange(node, edge);
  }
}

async function expectEqual({ cloud, all }: Barn, title: string): Promise<void> {
  const wanted = await cloud.digest(["note"]);
  for (const replica of all) {
    expect(await replica.sql("select title from note")).toEqual([{ title }]);
    expect(await replica.digest(["note"])).toEqual(wanted);
    for (const stamp of await stampsOf(replica)) expect(stamp).toBeLessThan(nowStamp());
    expect(await replica.sql("select code from hayloft.quarantine")).toEqual([]);
  }
}

eachDatabase("wrong clocks", (open) => {
  it("F-C3 what a relay stamps again its children have under the new stamps too, and later writes win everywhere", async () => {
    const farm = await barn(open);
    const { cloud, edge, tablet, second } = farm;
    await setAhead(edge);
    await edge.sql("update note set title = 'of tomorrow'");
    await pullDown(tablet, edge);
    await pullDown(second, edge);
    await expect(pushUp(edge, cloud)).rejects.toSatisfy(isAhead);
    await measured(edge, cloud);
    await edge.storage.restampUnacknowledged(cloud.nodeId, TENANT);
    await settle(farm);
    await expectEqual(farm, "of tomorrow");
    await cloud.sql("update note set title = 'of today'");
    await settle(farm);
    await expectEqual(farm, "of today");
    await tablet.sql("update note set title = 'of the tablet'");
    await settle(farm);
    await expectEqual(farm, "of the tablet");
  });

  it("F-C3 what a tablet stamped in the future behind its relay is taken under a stamp of today, noted at hub and author, and stops nobody", async () => {
    const farm = await barn(open);
    const { cloud, edge, tablet, second } = farm;
    for (const replica of [edge, tablet]) await setAhead(replica);
    // The edge's clock is as wrong as the tablet's, so it takes what comes.
    const wrong = edge.over(edge.database, { nowMs: () => Date.now() + DAY_MS });
    const pushWrong = async (): Promise<void> => {
      const slice = await tablet.slice(edge, "up", (await tablet.storage.acknowledgedCursors(edge.nodeId))[0]?.position ?? 0);
      const result = await wrong.apply({ peer: tablet.nodeId, from: "child", grant: tablet.grant(), slice });
      const ack = { peer: edge.nodeId, tenant: TENANT, incarnation: slice.incarnation, position: result.position, top: false };
      await tablet.storage.recordAcknowledgement({ ...ack, outcomes: result.outcomes });
    };
    await tablet.sql("update note set title = 'tablet, of tomorrow'");
    await pushWrong();
    await pullDown(second, edge);
    // What the edge writes has seen it, and replaces it.
    await edge.sql("update note set title = 'edge, of tomorrow'");
    await tablet.sql("update note set body = 'tablet again'");
    await pushWrong();
    await measured(edge, cloud);
    await measured(tablet, edge);
    await expect(pushUp(edge, cloud)).rejects.toSatisfy(isAhead);
    await edge.storage.restampUnacknowledged(cloud.nodeId, TENANT);
    await settle(farm);
    await expectEqual(farm, "edge, of tomorrow");
    for (const replica of farm.all) expect(await replica.sql("select body from note")).toEqual([{ body: "tablet again" }]);
    for (const replica of [cloud, tablet]) {
      const notes = await replica.sql(
        "select loser_node::text as node, rule from hayloft.loss where column_name = '$stamp' and loser_node = $1::uuid",
        [tablet.nodeId],
      );
      expect(notes).toEqual([
        { node: tablet.nodeId, rule: "restamp" },
        { node: tablet.nodeId, rule: "restamp" },
      ]);
    }
    expect((await cloud.storage.heads([TENANT]))[0]?.stamp).toBeLessThan(nowStamp());
    await tablet.sql("update note set title = 'of today'");
    await settle(farm);
    await expectEqual(farm, "of today");
    await second.sql("update note set title = 'of the second'");
    await settle(farm);
    await expectEqual(farm, "of the second");
  });

  it("F-C3 what a node wrote in the future in two lives of its log is taken under a stamp each", async () => {
    const farm = await barn(open);
    const { cloud, edge, tablet } = farm;
    for (const replica of [edge, tablet]) await setAhead(replica);
    const wrong = edge.over(edge.database, { nowMs: () => Date.now() + DAY_MS });
    for (const title of ["one", "two"]) {
      await tablet.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)", [newId(), title]);
      const slice = await tablet.slice(edge, "up", 0);
      await wrong.apply({ peer: tablet.nodeId, from: "child", grant: tablet.grant(), slice });
      await tablet.sql("select hayloft.begin_incarnation('t1', (select seq from hayloft.head where tenant_id = 't1'), 'marker')");
    }
    await measured(edge, cloud);
    await pushUp(edge, cloud);
    const stamps = await cloud.sql(
      "select count(*)::int as notes, count(distinct winner_stamp)::int as stamps from hayloft.loss where column_name = '$stamp'",
    );
    expect(stamps).toEqual([{ notes: 2, stamps: 2 }]);
    await Promise.all(farm.all.map(async (replica) => await replica.close()));
  });

  it("F-C6 the database stamps as the clock does, each copy in its part of the counter", async () => {
    const edge = await TestReplica.open(open, "edge");
    const later = stampOfMs(Date.now() + DAY_MS);
    const places = [0n, 1n, 254n, 255n, 256n, 1_791n, 1_792n, 2_046n, 2_047n, 2_048n, 65_279n, 65_280n, 65_534n, 65_535n];
    for (const copy of [0, 1, 7, 255]) {
      await edge.sql("update hayloft.replica set stamp_salt = $1", [copy * 256]);
      for (const place of places) {
        const [row] = await edge.sql("select hayloft.next_stamp($1)::text as stamp", [later + place]);
        expect(BigInt(String(row?.["stamp"]))).toBe(tickClock(startClock(later + place), 0, copy).stamp);
      }
    }
    await edge.close();
  });

  it("F-C5 F-C3 a clock that is known to be ahead stamps by the parent's time, also after a restart, and one that went back breaks no order", async () => {
    const edge = await TestReplica.open(open, "edge");
    const cloud = await TestReplica.open(open, "cloud");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    const hub = cloud.nodeId;
    const stamp = async (): Promise<bigint> => {
      await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'n')", [newId()]);
      return (await edge.storage.heads([TENANT]))[0]?.stamp ?? 0n;
    };
    const note = async (skewMs: number): Promise<void> =>
      await notePeer(edge.database, { node: hub, tenant: TENANT, relation: "parent", skewMs, errorCode: null });
    await note(-DAY_MS);
    const seen = (await edge.storage.heads([TENANT]))[0]?.stamp ?? 0n;
    const first = await stamp();
    // By its own clock it would be at the present millisecond; by the hub's, of a day ago, it is just behind what it has seen.
    expect([first > seen, first - seen < 10n]).toEqual([true, true]);
    expect(await edge.over(edge.database).trueNowMs()).toBeLessThan(Date.now() - DAY_MS + 60_000);
    // Somebody sets the clock right, and it is measured again.
    await note(0);
    const second = await stamp();
    expect(second - first).toBeGreaterThan(10n);
    // Now it is wrong again, by a day: the same as a clock that stood at a day ago when the box was switched on.
    await note(-DAY_MS);
    const third = await stamp();
    expect([third > second, third - second < 10n]).toEqual([true, true]);
    // A clock that is behind is not corrected: its stamps follow what it sees.
    await note(DAY_MS);
    expect((await stamp()) > third).toBe(true);
    expect(await edge.sql("select clock_ahead_ms::int as ahead from hayloft.replica")).toEqual([{ ahead: 0 }]);
  });
});
