import { afterEach, describe, expect, it } from "vitest";
import { eventually, Harbour, type HarbourReplica, tenant } from "../replica/testing/harbour.ts";
import { beginRecovery } from "./find-lost.ts";
import { readRecovery } from "./read-recovery.ts";
import { jot, notes, RestorableHub, seen, ServerHold, Ship, sight } from "./test-copies.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

/** Master data, which only the hub writes. */
const name = async (hub: HarbourReplica, id: string, text: string): Promise<void> => {
  await hub.database.query(
    "insert into ship (tenant_id, id, name) values ($1, $2, $3) on conflict (tenant_id, id) do update set name = excluded.name",
    [tenant, id, text],
  );
};
const ships = async (replica: HarbourReplica): Promise<string> =>
  (await replica.db.selectFrom("ship").select(["id", "name"]).orderBy("id").execute())
    .map((row) => `${row.id}=${row.name}`)
    .join(" ");

async function settle(replicas: readonly HarbourReplica[], master: string, written: string): Promise<void> {
  for (const replica of replicas)
    await eventually(
      async () => `${await ships(replica)} | ${await notes(replica)}`,
      (text) => text === `${master} | ${written}`,
    );
}

const sighted = async (hub: HarbourReplica, text: string): Promise<void> => {
  await eventually(
    async () => await seen(hub),
    (now) => now === text,
  );
};

describe("F-E5 a hub whose database is set back", () => {
  it("S9.4 S12.1 gets everything back that a child held, master data among it, and nothing twice", async () => {
    const hub = new RestorableHub(harbour);
    const hold = await ServerHold.make();
    const before = await hub.start(await hold.open());
    const [north, south] = [
      await Ship.enrolled(before, await ServerHold.make()),
      await Ship.enrolled(before, await ServerHold.make()),
    ];
    await name(before.hub, "s1", "Vasa");
    await name(before.hub, "s2", "Mars");
    const [n, s] = [await north.start(), await south.start()];
    await sight(n, "n1");
    await jot(s, "log", "s1");
    await settle([before.hub, n, s], "s1=Vasa s2=Mars", "log=s1");
    await sighted(before.hub, "n1");
    await hub.stop();
    const backup = await hold.copy();

    // After the backup: work of both ships, of the hub, and a ship that was struck off.
    const later = await hub.start(await hold.open());
    await north.stop();
    await south.stop();
    const [n2, s2] = [await north.start({ parent: later.parent }), await south.start({ parent: later.parent })];
    await sight(n2, "n2", "n3");
    await jot(s2, "log", "s2");
    await jot(n2, "north", "n");
    await name(later.hub, "s3", "Kronan");
    await name(later.hub, "s1", "Vasa II");
    await later.hub.database.query("delete from ship where tenant_id = $1 and id = 's2'", [tenant]);
    await jot(later.hub, "hub", "h");
    await settle([later.hub, n2, s2], "s1=Vasa II s3=Kronan", "hub=h log=s2 north=n");
    await sighted(later.hub, "n1 n2 n3");
    await hub.stop();

    // The disk is gone; last night's image goes on under the same name, and somebody works at it before anybody dials in.
    const restored = await hub.start(await backup.open());
    for (let round = 0; round < 12; round += 1) await jot(restored.hub, "desk", String(round));
    await name(restored.hub, "s4", "Tre Kronor");
    await north.stop();
    await south.stop();
    const [n3, s3] = [await north.start({ parent: restored.parent }), await south.start({ parent: restored.parent })];
    await settle([restored.hub, n3, s3], "s1=Vasa II s3=Kronan s4=Tre Kronor", "desk=11 hub=h log=s2 north=n");
    await sighted(restored.hub, "n1 n2 n3");
    await sight(s3, "s9");
    await sighted(restored.hub, "n1 n2 n3 s9");
    await jot(restored.hub, "hub", "again");
    await settle([n3, s3], "s1=Vasa II s3=Kronan s4=Tre Kronor", "desk=11 hub=again log=s2 north=n");

    const report = await readRecovery(restored.hub.database);
    expect(report.logs.filter((log) => log.tenant === tenant)).toHaveLength(1);
    expect(report.children.map(({ node }) => node).toSorted()).toEqual([north.identity.nodeId, south.identity.nodeId].toSorted());
    expect(report.children.reduce((sum, { rowsRestored }) => sum + rowsRestored, 0)).toBeGreaterThanOrEqual(4);
    expect(report.gone).toEqual([]);
    // Of the tenant that all read nobody had anything new, and both were here.
    expect(report.awaited).toEqual([]);
    expect(report.sent.length).toBeGreaterThan(0);
    // Of several restores the last one counts.
    await north.stop();
    await south.stop();
    await beginRecovery(restored.hub.database, false);
    const again = await readRecovery(restored.hub.database);
    expect(again.sent).toEqual([]);
    expect(again.awaited.filter((node) => node.tenant === tenant)).toHaveLength(2);
  });

  it("S9.4 gets back what others wrote in rows that the child has changed since", async () => {
    const hub = new RestorableHub(harbour);
    const hold = await ServerHold.make();
    const before = await hub.start(await hold.open());
    const north = await Ship.enrolled(before, await ServerHold.make());
    await jot(before.hub, "log", "1");
    await settle([before.hub, await north.start()], "", "log=1");
    await hub.stop();
    const backup = await hold.copy();

    // After the backup: two rows of the hub, which the ship knows, and its own work on both, which it has not sent.
    const later = await hub.start(await hold.open());
    await jot(later.hub, "chart", "2");
    await later.hub.database.query("update note set ship_id = 's1' where tenant_id = $1", [tenant]);
    await north.stop();
    const place = async (replica: HarbourReplica): Promise<unknown> =>
      (
        await replica.database.query(
          `select n.id, n.ship_id, n.body, coalesce(s.stamps -> 'ship_id', s.stamps -> '$row') as placed, coalesce(s.stamps -> 'body', s.stamps -> '$row') as written
          from note n
          join hayloft.row_state s on s.tenant_id = n.tenant_id and s.table_name = 'note' and s.row_key = n.id order by n.id`,
        )
      ).rows;
    const known = await place(later.hub);
    const north2 = await north.start({ parent: later.parent });
    await eventually(
      async () => await place(north2),
      (rows) => JSON.stringify(rows) === JSON.stringify(known),
    );
    await hub.stop();
    await jot(north2, "log", "own 1");
    await jot(north2, "chart", "own 2");
    await north.stop();

    const restored = await hub.start(await backup.open());
    const ship = await north.start({ parent: restored.parent });
    const mine = async (): Promise<string> => JSON.stringify(await place(ship));
    // With the stamps, so that whatever is written from now on ends the same here and there.
    await eventually(
      async () => ({ theirs: JSON.stringify(await place(restored.hub)), ours: await mine() }),
      ({ theirs, ours }) => theirs === ours && ours.includes("own 1"),
    );
    expect(await place(restored.hub)).toMatchObject([
      { id: "chart", ship_id: "s1", body: "own 2" },
      { id: "log", ship_id: "s1", body: "own 1" },
    ]);
  });
});
